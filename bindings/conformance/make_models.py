#!/usr/bin/env python3
"""Writes the tiny models of the conformance cases: a few hundred kilobytes, the same bytes every time, no packages needed.

    make_models.py FOLDER

  tiny.gguf           a llama of two layers over bytes and a few merges, with a chat template (tools too) and random weights
  tiny-adapter.gguf   a LoRA adapter for it
  tiny-other.gguf     a model of another width, which the adapter does not fit
  tiny-encoder.gguf   a BERT of two layers with a WordPiece vocabulary
  tiny-embedder.gguf  tiny.gguf as a decoder that embeds: its file says how to pool
  no-tokenizer.gguf   tiny.gguf without its vocabulary
  truncated.gguf      the first half of tiny.gguf
  text.gguf           no model at all
"""
import pathlib
import random
import struct
import sys

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9

TEMPLATE = """\
{%- if tools %}{{ '<|system|>Tools: ' }}{% for tool in tools %}{{ tool | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}{{ '<|end|>' }}{% endif %}
{%- for message in messages %}
{%- if message.role not in ['system', 'user', 'assistant', 'tool'] %}{{ raise_exception('unknown role ' + message.role) }}{% endif %}
{{- '<|' + message.role + '|>' + message.content + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}
{%- if shout %}{{ 'HEY ' }}{% endif %}"""


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in shown}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(shown))
    return [table[b] for b in range(256)]


def value(kind, content):
    if kind == STRING:
        raw = content.encode()
        return struct.pack("<Q", len(raw)) + raw
    if kind == ARRAY:
        inner, items = content
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, item) for item in items)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], content)


def gguf(metadata, tensors):
    """tensors: (name, shape with the contiguous dimension first, floats)"""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, content) in metadata.items():
        head += value(STRING, key) + struct.pack("<I", kind) + value(kind, content)
    data = b""
    for name, shape, floats in tensors:
        head += value(STRING, name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += struct.pack(f"<{len(floats)}f", *floats)
        data += b"\0" * (-len(data) % 32)
    return head + b"\0" * (-len(head) % 32) + data


class Weights:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tensors = []

    def matrix(self, name, columns, rows, spread):
        self.tensors.append((name, [columns, rows], [self.random.uniform(-spread, spread) for _ in range(columns * rows)]))

    def norm(self, name, width, bias=False):
        self.tensors.append((name + ".weight", [width], [1 + self.random.uniform(-.1, .1) for _ in range(width)]))
        if bias:
            self.bias(name, width)

    def bias(self, name, width):
        self.tensors.append((name + ".bias", [width], [self.random.uniform(-.1, .1) for _ in range(width)]))


SPECIAL = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]


def llama(width, seed, vocabulary=True, more=None):
    inner, heads, layers, context = 2 * width, 4, 2, 512
    letters = byte_alphabet()
    merges = ["t h", "Ġ th", "i n", "e r", "Ġ a", "Ġth e", "in g", "o n", "l o", "lo w"]
    tokens = letters + [merge.replace(" ", "") for merge in merges] + SPECIAL
    begin = len(letters) + len(merges)
    metadata = {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, "Tiny"),
        "llama.vocab_size": (UINT32, len(tokens)),
        "llama.context_length": (UINT32, context),
        "llama.embedding_length": (UINT32, width),
        "llama.block_count": (UINT32, layers),
        "llama.feed_forward_length": (UINT32, inner),
        "llama.attention.head_count": (UINT32, heads),
        "llama.attention.head_count_kv": (UINT32, heads // 2),
        "llama.attention.layer_norm_rms_epsilon": (FLOAT32, 1e-5),
        "llama.rope.dimension_count": (UINT32, width // heads),
        **(more or {}),
    }
    if vocabulary:
        metadata.update({
            "tokenizer.ggml.model": (STRING, "gpt2"),
            "tokenizer.ggml.pre": (STRING, "gpt-2"),
            "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
            "tokenizer.ggml.token_type": (ARRAY, (INT32, [1] * begin + [3] * len(SPECIAL))),
            "tokenizer.ggml.merges": (ARRAY, (STRING, merges)),
            "tokenizer.ggml.bos_token_id": (UINT32, begin),
            "tokenizer.ggml.eos_token_id": (UINT32, begin + 1),
            "tokenizer.ggml.add_bos_token": (BOOL, True),
            "tokenizer.chat_template": (STRING, TEMPLATE),
        })
    weights = Weights(seed)
    weights.matrix("token_embd.weight", width, len(tokens), 1)
    for i in range(layers):
        weights.norm(f"blk.{i}.attn_norm", width)
        weights.matrix(f"blk.{i}.attn_q.weight", width, width, .3)
        weights.matrix(f"blk.{i}.attn_k.weight", width, width // 2, .3)
        weights.matrix(f"blk.{i}.attn_v.weight", width, width // 2, .3)
        weights.matrix(f"blk.{i}.attn_output.weight", width, width, .3)
        weights.norm(f"blk.{i}.ffn_norm", width)
        weights.matrix(f"blk.{i}.ffn_gate.weight", width, inner, .3)
        weights.matrix(f"blk.{i}.ffn_up.weight", width, inner, .3)
        weights.matrix(f"blk.{i}.ffn_down.weight", inner, width, .3)
    weights.norm("output_norm", width)
    weights.matrix("output.weight", width, len(tokens), .5)
    return gguf(metadata, weights.tensors)


def adapter(width):
    rank = 4
    metadata = {
        "general.type": (STRING, "adapter"),
        "general.architecture": (STRING, "llama"),
        "adapter.type": (STRING, "lora"),
        "adapter.lora.alpha": (FLOAT32, 8.0),
    }
    weights = Weights(3)
    for i in range(2):
        for name, outputs in (("attn_q", width), ("attn_v", width // 2)):
            weights.matrix(f"blk.{i}.{name}.weight.lora_a", width, rank, .5)
            weights.matrix(f"blk.{i}.{name}.weight.lora_b", rank, outputs, .5)
    return gguf(metadata, weights.tensors)


def encoder():
    width, inner, context = 32, 64, 64
    words = "the cat dog sat ran on under a mat tree sun moon rose set and is not".split()
    pieces = ["##" + letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?:'")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # As converters write WordPiece: beginnings of words carry U+2581, continuations nothing.
    tokens += ["\u2581" + word for word in letters + [w for w in words if len(w) > 1]] + [piece[2:] for piece in pieces]
    special = 5
    metadata = {
        "general.architecture": (STRING, "bert"),
        "general.name": (STRING, "Tiny encoder"),
        "bert.vocab_size": (UINT32, len(tokens)),
        "bert.context_length": (UINT32, context),
        "bert.embedding_length": (UINT32, width),
        "bert.block_count": (UINT32, 2),
        "bert.feed_forward_length": (UINT32, inner),
        "bert.attention.head_count": (UINT32, 4),
        "bert.attention.layer_norm_epsilon": (FLOAT32, 1e-12),
        "bert.attention.causal": (BOOL, False),
        "bert.pooling_type": (UINT32, 1),
        "tokenizer.ggml.model": (STRING, "bert"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, [3, 2, 3, 3, 3] + [1] * (len(tokens) - special))),
        "tokenizer.ggml.token_type_count": (UINT32, 2),
        "tokenizer.ggml.unknown_token_id": (UINT32, 1),
        "tokenizer.ggml.padding_token_id": (UINT32, 0),
        "tokenizer.ggml.bos_token_id": (UINT32, 2),
        "tokenizer.ggml.cls_token_id": (UINT32, 2),
        "tokenizer.ggml.eos_token_id": (UINT32, 3),
        "tokenizer.ggml.seperator_token_id": (UINT32, 3),
        "tokenizer.ggml.mask_token_id": (UINT32, 4),
    }
    weights = Weights(4)
    weights.matrix("token_embd.weight", width, len(tokens), 1)
    weights.matrix("position_embd.weight", width, context, .2)
    weights.matrix("token_types.weight", width, 2, .2)
    weights.norm("token_embd_norm", width, True)
    for i in range(2):
        for name, outputs, inputs in (("attn_q", width, width), ("attn_k", width, width), ("attn_v", width, width),
                                      ("attn_output", width, width), ("ffn_up", inner, width), ("ffn_down", width, inner)):
            weights.matrix(f"blk.{i}.{name}.weight", inputs, outputs, .3)
            weights.bias(f"blk.{i}.{name}", outputs)
        weights.norm(f"blk.{i}.attn_output_norm", width, True)
        weights.norm(f"blk.{i}.layer_output_norm", width, True)
    return gguf(metadata, weights.tensors)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tiny = llama(64, 1)
    files = {
        "tiny.gguf": tiny,
        "tiny-adapter.gguf": adapter(64),
        "tiny-other.gguf": llama(32, 2),
        "tiny-encoder.gguf": encoder(),
        "tiny-embedder.gguf": llama(64, 1, more={"llama.pooling_type": (UINT32, 3)}),
        "no-tokenizer.gguf": llama(64, 1, vocabulary=False),
        "truncated.gguf": tiny[:len(tiny) // 2],
        "text.gguf": b"This is no model.\n" * 8,
    }
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:  # what is there and right stays: others may have it open
            path.write_bytes(content)


if __name__ == "__main__":
    main()
