import { Model } from "openhearth";

const tokens = Number(process.argv[3]);
const model = await Model.open(process.argv[2]);
const session = model.session();
let best = 0;
for (let i = 0; i < 3; i++) {
  let first;
  for await (const _ of session.streamComplete("Once upon a time", { temperature: 0, ignoreEnd: true, maxTokens: tokens })) first ??= performance.now();
  best = Math.max(best, (1000 * (tokens - 1)) / (performance.now() - first));
}
console.log(best.toFixed(2));
model.close();
