import { homedir } from "node:os";
import { Model } from "openhearth";

const model = await Model.open(`${homedir()}/.local/share/hearth/models/SmolLM2-135M-Instruct.Q4_1.gguf`);
const session = model.session();

const stream = session.streamSay("What is the capital of France?", { temperature: 0, maxTokens: 40 });
for await (const text of stream) process.stdout.write(text);
const { generatedTokens, finishReason } = await stream.result;
console.log(`\n${generatedTokens} tokens, ${finishReason}`);

session.close();
model.close();
