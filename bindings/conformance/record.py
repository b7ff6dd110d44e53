#!/usr/bin/env python3
"""The cases of cases.json, and what records their results.

    record.py            (with HEARTH_LIBRARY and HEARTH_CONFORMANCE, as bindings/run sets them) writes cases.json
    record.py --check    writes nothing; says what would change

A case's `expected` is written here by hand; members named in `record` are taken from what the library does, once it does the same at
every instruction set of this machine. Look at the difference before you commit it.
"""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
GREEDY = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place",
           "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}}}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
          "required": ["name", "age"], "additionalProperties": False}
TEXT = ["text", "tokens", "finish_reason", "prompt_tokens", "generated_tokens"]

cases = []


def case(name, operation, model=None, arguments=None, expected=None, record=(), **more):
    arguments = {key: value for key, value in (arguments or {}).items() if value is not None}
    cases.append({"name": name, "operation": operation, **({"model": model} if model else {}), "arguments": arguments,
                  "expected": expected or {}, "record": list(record), **more})


def error(status, *says):
    return {"error": {"status": status, "says": list(says)}}


def generate(name, model, options, expected=None, record=TEXT, **arguments):
    case(name, "generate", model, {**arguments, "options": {**GREEDY, **options}}, {"streamed": True, **(expected or {})}, record)


def refused(name, model, options, expected, **arguments):
    case(name, "generate", model, {"prompt": "the low", **arguments, "options": {"max_tokens": 4, **options}}, expected)


# The library, models, metadata

case("version", "library", expected={"level_is_known": True}, record=["version"])
case("open a model", "open", "tiny", expected={"context_length": 512, "trained_context": 512, "embedding_length": 64, "layer_count": 2,
     "threads": 2, "is_encoder": False, "has_tokenizer": True, "has_chat_template": True, "progress_rises": True, "progress_ends": 1.0},
     record=["vocabulary_size", "parameter_count", "file_bytes", "bos_token", "eos_token"])
case("open with options", "open", "tiny", {"options": {"context_length": 64, "threads": 1, "batch_tokens": 8, "cache_type": "q8_0", "preload": False}},
     {"context_length": 64, "trained_context": 512, "threads": 1})
case("open a model without a tokenizer", "open", "no-tokenizer", expected={"has_tokenizer": False, "has_chat_template": False, "bos_token": None, "eos_token": None})
case("open an encoder", "open", "tiny-encoder", {"options": {"context_length": 64}}, {"is_encoder": True, "has_chat_template": False, "embedding_length": 32})
case("open what is not there", "open", "absent", expected=error("not_found", "absent.gguf"))
case("open what is no model", "open", "text", expected=error("bad_input", "text.gguf"))
case("open half a model", "open", "truncated", expected=error("bad_input", "truncated.gguf"))
case("cancel opening by the callback", "open", "tiny", {"cancel": "progress"}, error("cancelled"))
case("cancel opening beforehand", "open", "tiny", {"cancel": "cancellation"}, error("cancelled"))
case("open with too many threads", "open", "tiny", {"options": {"threads": 100000}}, error("usage", "threads"))
case("open with no batch", "open", "tiny", {"options": {"batch_tokens": 0}}, error("usage", "batch_tokens"))
case("metadata: text", "metadata", "tiny", {"key": "general.architecture"}, {"value": "llama"})
case("metadata: number", "metadata", "tiny", {"key": "llama.block_count"}, {"value": 2})
case("metadata: flag", "metadata", "tiny", {"key": "tokenizer.ggml.add_bos_token"}, {"value": True})
case("metadata: array", "metadata", "tiny", {"key": "tokenizer.ggml.merges"}, record=["value"])
case("metadata: a NUL in the key", "metadata", "tiny", {"key": "general.name\0"}, error("bad_input", "NUL"))
case("metadata: absent", "metadata", "tiny", {"key": "no.such.key"}, error("not_found", "no.such.key"))
case("all metadata", "all_metadata", "tiny", {"most_elements": 2}, record=["count", "keys", "summary"])

# Tokens

case("tokenize", "tokenize", "tiny", {"text": "the lower thing"}, record=["tokens", "count"])
case("tokenize nothing", "tokenize", "tiny", {"text": "", "add_special": False}, {"tokens": [], "count": 0})
case("tokenize other scripts", "tokenize", "tiny", {"text": "Ünïcödé 你好 🙂", "add_special": False}, record=["tokens", "count"])
case("tokenize special tokens as letters", "tokenize", "tiny", {"text": "a<|end|>"}, record=["tokens"])
case("tokenize special tokens", "tokenize", "tiny", {"text": "a<|end|>", "parse_special": True}, record=["tokens"])
case("tokenize with a NUL", "tokenize", "tiny", {"text": "a\0b", "add_special": False}, record=["tokens"])
case("tokenize without a tokenizer", "tokenize", "no-tokenizer", {"text": "x"}, error("unsupported", "no tokenizer"))
case("tokenize for SmolLM2", "tokenize", "smollm2", {"text": "Hello, world! It's 2026 -- naïve café 你好 🙂"}, record=["tokens", "count"])
case("detokenize", "detokenize", "tiny", {"tokens": [266, 258, 257, 265]}, record=["text"])
case("detokenize a part of a character", "detokenize", "tiny", {"tokens": [172, 253]}, record=["text"])
case("detokenize special tokens away", "detokenize", "tiny", {"tokens": [266, 64, 267]}, record=["text"])
case("detokenize special tokens", "detokenize", "tiny", {"tokens": [266, 64, 267], "special": True}, record=["text"])
case("detokenize nothing", "detokenize", "tiny", {"tokens": []}, {"text": ""})
case("detokenize what is no token", "detokenize", "tiny", {"tokens": [1, 100000]}, error("usage", "100000"))
case("detokenize a negative token", "detokenize", "tiny", {"tokens": [-1]}, error("usage", "-1"))
case("bytes of a token", "token_bytes", "tiny", {"token": 263}, record=["bytes"])
case("bytes of a part of a character", "token_bytes", "tiny", {"token": 200}, record=["bytes"])

# Chat templates

conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Örebro?"}]
case("render a chat", "render_chat", "tiny", {"messages": conversation}, record=["text"])
case("render a chat with tools", "render_chat", "tiny", {"messages": conversation, "tools": [WEATHER]}, record=["text"])
case("render a chat with variables", "render_chat", "tiny", {"messages": conversation[1:], "variables": {"add_generation_prompt": False, "shout": True}}, record=["text"])
case("render an unknown role", "render_chat", "tiny", {"messages": [{"role": "oracle", "content": "x"}]}, error("bad_input", "unknown role oracle"))
case("render what is no array", "render_chat", "tiny", {"messages": {"role": "user"}}, error("bad_input", "messages"))
case("render what is no JSON", "render_chat", "tiny", {"messages": "[{"}, error("bad_input", "messages", "JSON"))
case("render without a template", "render_chat", "no-tokenizer", {"messages": conversation}, error("unsupported"))
case("render for SmolLM2", "render_chat", "smollm2", {"messages": conversation[1:]}, record=["text"])
case("render any template", "render_template", None, {"source": "{% for m in messages %}[{{ m.role }}] {{ m.content | upper }}\n{% endfor %}{{ tools | tojson }}",
     "context": {"messages": conversation, "tools": [WEATHER]}}, record=["text"])
case("render a broken template", "render_template", None, {"source": "{% for m in messages %}", "context": {}}, error("bad_input"))

# Generation: the tiny model

generate("greedy text", "tiny", {"max_tokens": 8}, {"finish_reason": "length", "stop_text": None}, prompt="the lower thing")
generate("a prompt with a NUL", "tiny", {"max_tokens": 4}, prompt="the\0low")
generate("greedy tokens", "tiny", {"max_tokens": 8}, prompt=None, tokens=[266, 258, 257, 265])
generate("greedy chat", "tiny", {"max_tokens": 8}, messages=conversation)
generate("greedy chat with tools", "tiny", {"max_tokens": 8, "tools": [WEATHER]}, messages=conversation)
generate("a chat with template variables", "tiny", {"max_tokens": 4, "template_variables": {"shout": True}}, messages=conversation)
generate("tokens without a tokenizer", "no-tokenizer", {"max_tokens": 6}, {"text": ""}, ["tokens", "finish_reason"], tokens=[5, 6, 7])
generate("special tokens in the prompt", "tiny", {"max_tokens": 4, "parse_special": True}, prompt="<|user|>the low<|end|>")
generate("special tokens in the text", "tiny", {"max_tokens": 6, "special_text": True, "ignore_end": True, "logit_bias": {"267": 100}},
         prompt="the low")
generate("past the end", "tiny", {"max_tokens": 6, "ignore_end": True, "logit_bias": {"267": 100}}, {"finish_reason": "length"}, prompt="the low")
generate("the model ends its answer", "tiny", {"max_tokens": 6, "logit_bias": {"267": 100}}, {"text": "", "tokens": [], "finish_reason": "stop"}, [], prompt="the low")
generate("a banned token", "tiny", {"max_tokens": 8, "logit_bias": {"0": "-inf"}}, prompt="the lower thing")
generate("a wanted token", "tiny", {"max_tokens": 4, "logit_bias": {"65": 100}}, {"text": "AAAA"}, prompt="the low")
generate("penalties", "tiny", {"max_tokens": 12, "repeat_penalty": 1.5, "frequency_penalty": 0.5, "presence_penalty": 0.5, "penalty_window": -1}, prompt="the lower thing the lower thing")
generate("a context that fills", "tiny", {}, {"finish_reason": "length"}, ["generated_tokens"], prompt="the low", context_length=16)
generate("again from the cache", "tiny", {"max_tokens": 8}, {"same": True}, ["text", "prompt_tokens", "cached_tokens"], prompt="the lower thing"[:9], repeat=2)
generate("the same seed", "tiny", {"max_tokens": 12, "temperature": 1.5, "seed": 42}, {"same": True, "seed": 42}, [], prompt="the lower thing", repeat=3)
generate("an adapter", "tiny", {"max_tokens": 8}, prompt="the lower thing", adapters=[{"model": "tiny-adapter", "scale": 1}])
generate("an adapter at half", "tiny", {"max_tokens": 8}, prompt="the lower thing", adapters=[{"model": "tiny-adapter", "scale": 0.5}])
generate("an adapter switched off", "tiny", {"max_tokens": 8}, prompt="the lower thing", adapters=[{"model": "tiny-adapter", "scale": 0}])
generate("a grammar", "tiny", {"max_tokens": 40, "grammar": 'root ::= "low" ("er" | "est") " " [0-9]{3}'}, {"finish_reason": "stop"}, prompt="the ")
generate("a schema", "tiny", {"max_tokens": 60, "json_schema": PERSON}, {"finish_reason": "stop"}, prompt="the ")
generate("a choice", "tiny", {"max_tokens": 20, "json_schema": {"enum": ["red", "green"]}}, {"finish_reason": "stop"}, prompt="the ")

for how, after in (("callback", 3), ("session", 2), ("thread", 2), ("cancellation", 2), ("close", 2)):
    # so many that a busy machine cancels before they are made
    generate(f"cancelled by: {how}", "tiny", {"max_tokens": 8000, "ignore_end": True}, {"finish_reason": "cancelled"}, [],
             prompt="the lower thing", context_length=8192, cancel={"how": how, "after": after})
generate("cancelled by: a cancellation before", "tiny", {"max_tokens": 200}, {"finish_reason": "cancelled", "text": "", "tokens": [], "generated_tokens": 0}, [],
         prompt="the lower thing", cancel={"how": "before"})

refused("an empty prompt of tokens", "tiny", {}, error("usage", "prompt is empty"), prompt=None, tokens=[])
refused("a token outside the vocabulary", "tiny", {}, error("usage", "100000"), prompt=None, tokens=[100000])
refused("a prompt too long", "tiny", {}, error("too_long", "context holds 16"), prompt="the lower thing " * 20, context_length=16)
refused("top_p beyond 1", "tiny", {"top_p": 1.5}, error("usage", "top", "1.5"))
refused("a negative temperature", "tiny", {"temperature": -1.0}, error("usage", "temperature"))
refused("a bias for no token", "tiny", {"logit_bias": {"100000": 1}}, error("usage", "logit_bias", "100000"))
refused("an empty stop text", "tiny", {"stop": [""]}, error("usage", "stop"))
refused("a grammar that does not parse", "tiny", {"grammar": "root ::= ("}, error("bad_input"))
refused("a grammar with a NUL", "tiny", {"grammar": 'root ::= "x"\0 ('}, error("bad_input", "NUL"))
refused("a stop text with a NUL", "tiny", {"stop": ["x", "a\0b"]}, error("bad_input", "NUL"))
refused("a schema that is none", "tiny", {"json_schema": {"type": "banana"}}, error("bad_input"))
refused("a schema that cannot be kept to", "tiny", {"json_schema": {"type": "array", "uniqueItems": True}}, error("unsupported", "uniqueItems"))
refused("a grammar and a schema", "tiny", {"grammar": 'root ::= "x"', "json_schema": True}, error("usage", "grammar", "json_schema"))
refused("text without a tokenizer", "no-tokenizer", {}, error("unsupported", "no tokenizer"))
refused("text from an encoder", "tiny-encoder", {}, error("unsupported", "encoder"))
refused("a chat of nothing known", "tiny", {}, error("bad_input", "unknown role oracle"), prompt=None, messages=[{"role": "oracle", "content": "x"}])
refused("tools that are no array", "tiny", {"tools": {"type": "function"}}, error("bad_input", "tools"), prompt=None, messages=conversation)

# Conversations

case("a conversation", "conversation", "tiny", {"system": "Be brief.", "turns": ["the low", "lower"], "options": {**GREEDY, "max_tokens": 6}}, record=["answers", "messages"])
case("a conversation that goes on", "conversation", "tiny", {"messages": [{"role": "user", "content": "the"}, {"role": "assistant", "content": "low"}],
     "turns": ["thing"], "options": {**GREEDY, "max_tokens": 6}}, record=["answers", "messages"])
case("a conversation forgotten", "conversation", "tiny", {"system": "Be brief.", "turns": ["the low"], "options": {**GREEDY, "max_tokens": 4}, "reset": True},
     {"messages": [{"role": "system", "content": "Be brief."}]}, record=["answers"])
case("a system message with a NUL", "conversation", "tiny", {"system": "Be\0brief.", "turns": []}, error("bad_input", "NUL"))
case("a conversation that is none", "conversation", "tiny", {"messages": [{"content": "x"}], "turns": []}, error("bad_input", "role"))
case("busy", "busy", "tiny", {"prompt": "the low", "options": {**GREEDY, "max_tokens": 4}},
     {"inner": error("busy", "busy"), "outer": {"finish_reason": "length", "generated_tokens": 4}})
for what in ("model", "session", "adapter"):
    case(f"closed: {what}", "closed", "tiny", {"what": what}, error("closed", f"the {what} is closed"))
case("closed twice", "closed", "tiny", {"what": "model_twice"}, {"harmless": True})
case("a session outlives its model", "outlives", "tiny", {"prompt": "the lower thing", "options": {**GREEDY, "max_tokens": 8}}, record=["text"])
case("sessions together", "together", "tiny", {"prompts": ["the lower thing", "on", "a low the", "in the lower"], "options": {**GREEDY, "max_tokens": 12}}, record=["texts"])
case("an adapter of another width", "other_adapter", "tiny-other", {"adapter": "tiny-adapter"}, error("bad_input", "tiny-adapter.gguf"))
case("an adapter that is none", "other_adapter", "tiny", {"adapter": "tiny-other"}, error("bad_input", "adapter"))
case("an adapter that is not there", "other_adapter", "tiny", {"adapter": "absent"}, error("not_found", "absent.gguf"))
case("200 cycles", "cycles", "tiny", {"count": 200, "prompt": "the low", "options": {**GREEDY, "max_tokens": 2}, "growth": 16 << 20}, {"flat": True})
for name, options, grown in (("logits are estimated", None, True), ("open for all logits", {"all_logits": True}, False)):
    case(name, "estimates", "smollm2", {"model_options": options, "prompt": "The sky", "options": {**GREEDY, "max_tokens": 48, "ignore_end": True},
         "growth": 8 << 20}, {"grown": grown})

# Log-likelihoods

case("log-likelihoods", "score", "tiny", {"context": "the low", "continuations": ["er thing", "er", " 42"]}, record=["likelihoods"])
case("log-likelihoods of tokens", "score_tokens", "tiny", {"tokens": [266, 258, 257, 265], "start": 2}, record=["likelihoods"])
case("a continuation with a NUL", "score", "tiny", {"context": "the", "continuations": [" low", " l\0w"]}, error("bad_input", "NUL"))
case("nothing to score", "score", "tiny", {"context": "the", "continuations": [""]}, error("usage", "continuation '' adds no token"))
case("nothing to score: one token with the context's end", "score", "tiny", {"context": "l", "continuations": ["o"]}, error("usage", "continuation 'o' adds no token"))
case("scoring from the first token", "score_tokens", "tiny", {"tokens": [266, 258], "start": 0}, error("usage"))
case("scoring with an encoder", "score", "tiny-encoder", {"context": "the", "continuations": [" cat"]}, error("unsupported", "encoder"))

# Embeddings

case("embeddings", "embed", "tiny-encoder", {"texts": ["the cat sat on the mat", "a dog ran", "the cat sat on the mat"]},
     {"count": 3, "width": 32, "lengths": [1.0, 1.0, 1.0]}, record=["prompt_tokens", "beginnings", "products"])
case("embeddings not normalised", "embed", "tiny-encoder", {"texts": ["the sun rose"], "options": {"normalise": False}}, record=["beginnings", "lengths"])
case("embeddings of few dimensions", "embed", "tiny-encoder", {"texts": ["the sun rose"], "options": {"dimensions": 8}}, {"width": 8, "lengths": [1.0]}, record=["beginnings"])
case("embeddings with a prefix", "embed", "tiny-encoder", {"texts": ["the sun rose"], "options": {"prefix": "a dog: "}}, record=["beginnings", "prompt_tokens"])
case("too many dimensions", "embed", "tiny-encoder", {"texts": ["x"], "options": {"dimensions": 33}}, error("usage", "33"))
long_text = "the cat sat on the mat under the moon " * 12
case("embeddings of a text with a NUL", "embed", "tiny-encoder", {"texts": ["the\0cat", "the"]}, record=["beginnings", "prompt_tokens"])
case("a long text refused", "embed", "tiny-encoder", {"texts": [long_text]}, error("too_long", "64"))
case("a long text cut short", "embed", "tiny-encoder", {"texts": [long_text], "options": {"long_text": "truncate"}}, {"lengths": [1.0]}, record=["beginnings"])
case("a long text's mean", "embed", "tiny-encoder", {"texts": [long_text, "the cat"], "options": {"long_text": "mean"}}, {"lengths": [1.0, 1.0]}, record=["beginnings"])
case("embeddings cancelled by the callback", "embed", "tiny-encoder", {"texts": ["the cat"], "cancel": "progress"}, error("cancelled"))
case("embeddings cancelled beforehand", "embed", "tiny-encoder", {"texts": ["the cat"], "cancel": "cancellation"}, error("cancelled"))
case("embeddings of a decoder", "embed", "tiny", {"texts": ["the cat"]}, error("unsupported", "no encoder"))

# Real models

generate("SmolLM2: greedy", "smollm2", {"max_tokens": 5}, prompt="The capital of France is")  # a near-tie follows, which levels decide otherwise
generate("SmolLM2: a stop text", "smollm2", {"max_tokens": 40, "stop": ["never met", ", 7"]}, {"finish_reason": "stop", "stop_text": ", 7"}, prompt="1, 2, 3,")
generate("SmolLM2: a schema", "smollm2", {"max_tokens": 40, "json_schema": PERSON}, {"finish_reason": "stop"},
         messages=[{"role": "user", "content": "Describe a person named Ann, aged 30, as JSON."}])
case("SmolLM2: log-likelihoods", "score", "smollm2", {"context": "The capital of France is", "continuations": [" Paris", " Berlin", " a city"]},
     record=["likelihoods"], tolerance=0.3)
case("SmolLM2: no embeddings", "embed", "smollm2", {"texts": ["x"]}, error("unsupported", "no encoder"))
case("MiniLM: embeddings", "embed", "minilm", {"texts": ["A man is eating food.", "Someone eats a meal.", "The car is fast."]},
     {"count": 3, "width": 384, "lengths": [1.0, 1.0, 1.0]}, record=["prompt_tokens", "beginnings", "products"], tolerance=0.01)


def results():
    """What every case gives, in a process of its own."""
    sys.path.insert(0, str(HERE.parent / "python/tests"))
    import conformance
    only = os.environ.get("HEARTH_CASES")
    return [conformance.perform(case) if not only or only in case["name"] else None for case in cases]


def rounded(value):
    """Numbers as they may be compared: eight digits are more than any tolerance asks for."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


def main():
    if "--results" in sys.argv:
        json.dump(results(), sys.stdout)
        return 0
    sys.path.insert(0, str(HERE.parent / "python/tests"))
    sys.path.insert(0, str(HERE.parent / "python"))
    import conformance
    import openhearth
    levels = openhearth.cpu_levels()
    found = {}
    for level in levels:
        done = subprocess.run([sys.executable, __file__, "--results"], stdout=subprocess.PIPE, check=True,
                              env={**os.environ, "HEARTH_CPU": level, "PYTHONPATH": str(HERE.parent / "python")})
        found[level] = json.loads(done.stdout)
    bad = 0
    written = []
    for index, case in enumerate(cases):
        record = case.pop("record")
        first = found[levels[0]][index]
        for key in record:
            if key not in first:
                print(f"{case['name']}: there is no {key} in {first}")
                bad += 1
            else:
                case["expected"][key] = rounded(first[key])
        for level in levels:
            for fault in conformance.faults(case["expected"], found[level][index], case.get("tolerance", 0.001)):
                print(f"{case['name']} at {level}: {fault}")
                bad += 1
        written.append(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in written)
    text = '{"format": 1, "cases": [\n' + lines + "\n]}\n"
    target = HERE / "cases.json"
    if "--check" in sys.argv:
        if target.read_text(encoding="utf-8") != text:
            print("cases.json would change")
            bad += 1
    elif bad == 0:
        target.write_text(text, encoding="utf-8")
    print(f"{len(written)} cases at {', '.join(levels)}: {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
