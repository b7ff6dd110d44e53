// The list of behaviours and what is TypeScript's own, counted together.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { HearthError, Model } from "../dist/index.js";
import { main } from "./conformance.mjs";

const tinyPath = join(process.env.HEARTH_CONFORMANCE, "tiny.gguf");
const tiny = (contextLength = 512) => Model.open(tinyPath, { contextLength, threads: 2 });
const endless = 400000; // tokens of context: an answer that does not end before the test is done with it
const greedy = { temperature: 0, ignoreEnd: true };

const own = {
  async "a stream gives the whole answer in pieces"(model) {
    const stream = model.session().streamComplete("the low", { ...greedy, maxTokens: 12 });
    let joined = "";
    for await (const text of stream) joined += text;
    assert.equal(joined, (await stream.result).text);
  },
  async "two readers share a stream's pieces, and both come to its end"(model) {
    const stream = model.session().streamComplete("the low", { ...greedy, maxTokens: 50 });
    const read = async () => { const own = []; for await (const text of stream) own.push(text); return own; };
    const [one, other] = await Promise.all([read(), read()]);
    assert.equal([...one, ...other].join("").length, (await stream.result).text.length);
  },
  async "leaving a stream stops the model"() {
    const model = await tiny(endless);
    const session = model.session();
    const stream = session.streamComplete("the low", greedy);
    for await (const _ of stream) break;
    assert.equal((await stream.result).finishReason, "cancelled");
    assert.equal((await session.complete("the low", { ...greedy, maxTokens: 3 })).generatedTokens, 3);
    model.close();
  },
  async "a left stream is not in the way of the next call"() {
    const model = await tiny(endless);
    const session = model.session();
    for await (const _ of session.streamComplete("the low", greedy)) break;
    assert.equal((await session.complete("the low", { ...greedy, maxTokens: 2 })).generatedTokens, 2);
    await assert.rejects(async () => { for await (const _ of session.streamComplete("the low", greedy)) throw new RangeError("mine"); }, RangeError);
    assert.equal((await session.complete("the low", { ...greedy, maxTokens: 2 })).generatedTokens, 2);
    model.close();
  },
  async "a worker that ends, or is ended, in the middle of an answer leaves the process be"(model) {
    for (const end of ["process.exit(7)", "parentPort.postMessage('now'); setInterval(() => {}, 1000)", "throw new Error('mine')"]) {
      const worker = new Worker(`import("openhearth").then(async ({ Model }) => {
        const { parentPort } = await import("node:worker_threads");
        const model = await Model.open(process.env.HEARTH_CONFORMANCE + "/tiny.gguf", { contextLength: ${endless} });
        for await (const _ of model.session().streamComplete("the low", { temperature: 0, ignoreEnd: true })) { ${end}; }
      });`, { eval: true });
      worker.on("error", () => {});
      worker.on("message", () => worker.terminate());
      await new Promise((resolve) => worker.on("exit", resolve));
      assert.equal((await model.session().complete("the low", { ...greedy, maxTokens: 2 })).generatedTokens, 2);
    }
  },
  async "what a callback throws comes out of the call"(model) {
    const session = model.session();
    let heard = 0;
    const onPiece = () => { heard++; throw new RangeError("mine"); };
    await assert.rejects(session.complete("the low", { ...greedy, maxTokens: 50, onPiece }), RangeError);
    assert.equal(heard, 1);
    await session.complete("the low", { ...greedy, maxTokens: 2 });
  },
  async "what an async callback rejects with comes out of the call, and stops it"() {
    const model = await tiny(endless);
    const session = model.session();
    const mine = async () => { throw new RangeError("mine"); };
    const late = () => new Promise((_, reject) => setTimeout(reject, 30, new RangeError("mine"))); // when the answer has ended
    for (const [onPiece, maxTokens] of [[mine, 0], [late, 0], [late, 2]]) {
      await assert.rejects(session.complete("the low", { ...greedy, maxTokens, onPiece }), RangeError);
      const stream = session.streamComplete("the low", { ...greedy, maxTokens, onPiece });
      await assert.rejects(async () => { for await (const _ of stream); }, RangeError);
    }
    for (const onProgress of [mine, late]) await assert.rejects(Model.open(tinyPath, { onProgress }), RangeError);
    assert.equal((await session.complete("the low", { ...greedy, onPiece: async () => false })).finishReason, "cancelled");
    assert.equal((await session.complete("the low", { ...greedy, maxTokens: 2, onPiece: async () => {} })).generatedTokens, 2);
    model.close();
  },
  async "the event loop goes on while the model generates"() {
    const model = await tiny(endless);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20); // never heard if the loop stood still
    const result = await model.session().complete("the low", { ...greedy, signal: stop.signal });
    assert.equal(result.finishReason, "cancelled");
    model.close();
  },
  async "the process ends in the middle of an answer"() {
    const script = `import { Model } from "openhearth";
      const model = await Model.open(process.env.HEARTH_CONFORMANCE + "/tiny.gguf", { contextLength: 400000 });
      for await (const _ of model.session().streamComplete("the low", { temperature: 0, ignoreEnd: true })) process.exit(7);`;
    const { status, signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 100000, encoding: "utf8" });
    assert.deepEqual([status, signal, stderr], [7, null, ""]);
  },
  async "wrong options are refused before anything runs"(model) {
    const session = model.session();
    await assert.rejects(session.complete("x", { maxTokens: -1 }), HearthError);
    await assert.rejects(session.complete("x", { maxTokens: 1.5 }), TypeError);
    for (const wrong of [{ banana: 1 }, { structSize: 4 }, { stopCount: 4 }, { signal: {} }, { grammar: 4 }, { jsonSchema: () => 1 }])
      await assert.rejects(session.complete("x", wrong), TypeError);
    for (const call of [() => model.tokenize("\ud800"), () => session.say("\udc00"), () => session.complete("x", { stop: "\ud800" })])
      await assert.rejects(async () => call(), /holds half a surrogate pair/);
    await assert.rejects(model.embed("x"), /texts are no array/);
    await assert.rejects(model.score("x", "y"), /continuations are no array/);
    for (const seed of [-1n, 2n ** 64n]) await assert.rejects(session.complete("x", { seed }), HearthError);
    for (const prompt of [null, 4, [1.5]]) await assert.rejects(async () => session.complete(prompt), TypeError);
    for (const count of [-1, NaN, "x"]) assert.throws(() => model.metadataSummary(count));
    assert.equal((await session.complete("x", { ...greedy, maxTokens: 1, seed: 2n ** 64n - 1n })).generatedTokens, 1);
  },
};

let { passed, failed } = await main();
for (const [name, test] of Object.entries(own)) {
  const model = await tiny();
  try {
    await test(model);
    passed++;
  } catch (error) {
    failed++;
    console.error(`${name}: ${error.stack}`);
  } finally {
    model.close();
  }
}
console.log(`typescript: ${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
