// Runs bindings/conformance/cases.json: see the README there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HearthError, Model, activeCpuLevel, cpuLevels, renderTemplate, version } from "../dist/index.js";

const folder = process.env.HEARTH_CONFORMANCE;
const path = (name) => join(folder, `${name}.gguf`);
const models = new Map();

const camel = (options = {}) =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
      name === "logit_bias" ? Object.fromEntries(Object.entries(value).map(([token, bias]) => [token, bias === "-inf" ? -Infinity : bias])) : value,
    ]),
  );
const snake = (object) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase()), value]));

const open = (name, options = {}) => Model.open(path(name), { contextLength: 512, threads: 2, ...options });
async function modelOf(name) {
  if (!models.has(name)) models.set(name, await open(name));
  return models.get(name);
}
const failure = (error) => ({ error: { status: error.status, message: error.message } });

function generateIn(session, a, more = {}) {
  const options = { ...camel(a.options), ...more };
  return a.messages !== undefined ? session.chat(a.messages, options) : session.complete(a.prompt ?? a.tokens, options);
}

async function generated(session, a) {
  const { how, after } = a.cancel ?? {};
  const stop = new AbortController();
  if (how === "before") stop.abort();
  const texts = new Set();
  let result, pieces;
  for (let i = 0; i < (a.repeat ?? 1); i++) {
    pieces = [];
    result = await generateIn(session, a, {
      signal: stop.signal,
      onPiece(text) {
        pieces.push(text);
        if (pieces.length !== after) return true;
        if (how === "session") session.cancel();
        if (how === "thread") setImmediate(() => session.cancel()); // JavaScript has one thread: from another turn of its loop
        if (how === "cancellation") stop.abort();
        if (how === "close") session.close();
        return how !== "callback";
      },
    });
    texts.add(result.text);
  }
  return { ...snake(result), streamed: pieces.join("") === result.text, same: texts.size === 1 };
}

const resident = () => process.memoryUsage.rss();
function privateMemory() {
  const [, all, shared] = readFileSync("/proc/self/statm", "utf8").split(" "); // pages; mapped files are shared
  return (all - shared) * 4096;
}

const operations = {
  library: () => ({ version, level_is_known: cpuLevels().includes(activeCpuLevel()) }),
  async open(model, a) {
    const stop = new AbortController();
    if (a.cancel === "cancellation") stop.abort();
    const fractions = [];
    const opened = await open(model, {
      ...camel(a.options),
      signal: stop.signal,
      onProgress: (fraction) => (fractions.push(fraction), a.cancel !== "progress"),
    });
    const info = snake(opened.info);
    opened.close();
    return { ...info, progress_rises: fractions.every((one, i) => i === 0 || fractions[i - 1] <= one), progress_ends: fractions.at(-1) };
  },
  metadata: async (model, a) => ({ value: (await modelOf(model)).metadata(a.key) }),
  async all_metadata(model, a) {
    const keys = (await modelOf(model)).metadataKeys();
    return { count: keys.length, keys, summary: (await modelOf(model)).metadataSummary(a.most_elements) };
  },
  async tokenize(model, { text, ...options }) {
    const opened = await modelOf(model);
    return { tokens: opened.tokenize(text, camel(options)), count: opened.countTokens(text, camel(options)) };
  },
  detokenize: async (model, a) => ({ text: (await modelOf(model)).detokenize(a.tokens, a.special) }),
  token_bytes: async (model, a) => ({ bytes: [...(await modelOf(model)).tokenBytes(a.token)] }),
  render_chat: async (model, a) => ({ text: (await modelOf(model)).renderChat(a.messages, a.tools, a.variables) }),
  render_template: (_, a) => ({ text: renderTemplate(a.source, a.context) }),
  async generate(model, a) {
    const opened = await modelOf(model);
    const session = opened.session({ contextLength: a.context_length });
    try {
      if (a.adapters) session.setAdapters(a.adapters.map((one) => [opened.adapter(path(one.model)), one.scale]));
      return await generated(session, a);
    } finally {
      session.close();
    }
  },
  async conversation(model, a) {
    const session = (await modelOf(model)).session({ system: a.system });
    try {
      if (a.messages !== undefined) session.setMessages(a.messages);
      const answers = [];
      for (const text of a.turns) answers.push((await session.say(text, camel(a.options))).text);
      if (a.reset) session.reset();
      return { answers, messages: session.messages };
    } finally {
      session.close();
    }
  },
  score: async (model, a) => ({ likelihoods: (await (await modelOf(model)).score(a.context, a.continuations)).map(snake) }),
  score_tokens: async (model, a) => ({ likelihoods: [snake(await (await modelOf(model)).scoreTokens(a.tokens, a.start))] }),
  async embed(model, a) {
    const stop = new AbortController();
    if (a.cancel === "cancellation") stop.abort();
    const { vectors, promptTokens } = await (await modelOf(model)).embed(a.texts, {
      ...camel(a.options),
      signal: stop.signal,
      onProgress: () => a.cancel !== "progress",
    });
    const product = (x, y) => x.reduce((sum, number, i) => sum + number * y[i], 0);
    return {
      count: vectors.length,
      width: vectors[0].length,
      prompt_tokens: promptTokens,
      beginnings: vectors.map((vector) => [...vector.slice(0, 4)]),
      lengths: vectors.map((vector) => Math.sqrt(product(vector, vector))),
      products: vectors.map((vector) => product(vectors[0], vector)),
    };
  },
  async busy(model, a) {
    const session = (await modelOf(model)).session();
    let inner;
    const outer = await generateIn(session, a, { onPiece: () => void (inner ??= generateIn(session, a).then(snake, failure)) });
    session.close();
    return { inner: await inner, outer: snake(outer) };
  },
  async closed(model, a) {
    const opened = await open(model);
    try {
      if (a.what === "model") {
        opened.close();
        opened.tokenize("x");
      } else if (a.what === "model_twice") {
        opened.close();
        opened.close();
        return { harmless: true };
      } else if (a.what === "session") {
        const session = opened.session();
        session.close();
        await session.complete("x");
      } else {
        const adapter = opened.adapter(path("tiny-adapter"));
        adapter.close();
        opened.session().setAdapters([adapter]);
      }
      return {};
    } finally {
      opened.close();
    }
  },
  async outlives(model, a) {
    const opened = await open(model);
    const session = opened.session();
    opened.close();
    const { text } = await generateIn(session, a);
    session.close();
    return { text };
  },
  async together(model, a) {
    const opened = await modelOf(model);
    const answers = a.prompts.map(async (prompt) => {
      const session = opened.session();
      const { text } = await generateIn(session, { ...a, prompt });
      session.close();
      return text;
    });
    return { texts: await Promise.all(answers) };
  },
  async other_adapter(model, a) {
    (await modelOf(model)).adapter(path(a.adapter)).close();
    return {};
  },
  async cycles(model, a) {
    let warm;
    for (let i = 0; i < a.count; i++) {
      const opened = await open(model);
      const session = opened.session();
      await generateIn(session, a);
      session.close();
      opened.close();
      if (i + 1 === Math.floor(a.count / 4)) warm = resident();
    }
    return { flat: resident() - warm <= a.growth };
  },
  async estimates(model, a) {
    const opened = await open(model, camel(a.model_options));
    const session = opened.session();
    const before = privateMemory();
    await generateIn(session, a);
    const grown = privateMemory() - before > a.growth;
    session.close();
    opened.close();
    return { grown };
  },
};

async function perform({ operation, model, arguments: a = {} }) {
  try {
    return await operations[operation](model, a);
  } catch (error) {
    if (error instanceof HearthError) return failure(error);
    throw error;
  }
}

const show = (value) => JSON.stringify(value, (_, one) => (typeof one === "bigint" ? String(one) : one));

function* faults(expected, actual, tolerance, where = "") {
  const differs = `${where}: ${show(actual)}, not ${show(expected)}`;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return yield differs;
    for (const [i, value] of expected.entries()) yield* faults(value, actual[i], tolerance, `${where}[${i}]`);
  } else if (expected !== null && typeof expected === "object") {
    if (actual === null || typeof actual !== "object") return yield differs;
    for (const [key, value] of Object.entries(expected)) {
      if (key === "says") {
        for (const text of value) if (!(actual.message ?? "").includes(text)) yield `${where}: ${actual.message} does not say ${text}`;
      } else if (!(key in actual)) yield `${where}.${key} is absent from ${show(actual)}`;
      else yield* faults(value, actual[key], tolerance, `${where}.${key}`);
    }
  } else if (typeof expected === "number") {
    if (!["number", "bigint"].includes(typeof actual) || !(Math.abs(Number(actual) - expected) <= tolerance)) yield differs;
  } else if (expected !== actual) yield differs;
}

export async function main() {
  const { cases } = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"));
  let failed = 0;
  for (const one of cases) {
    let found;
    try {
      found = [...faults(one.expected, await perform(one), one.tolerance ?? 0.001)];
    } catch (error) {
      found = [error.stack];
    }
    if (found.length) {
      failed++;
      console.error(`${one.name}: ${found.join("; ")}`);
    } else console.log("passed", one.name);
  }
  return { passed: cases.length - failed, failed };
}
