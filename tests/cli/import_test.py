#!/usr/bin/env python3
"""Checkpoints and adapters brought to GGUF, and what they and the shared models compute."""
import json
import os
import pathlib
import random
import shutil
import struct
import tempfile
import unittest

from program import MINILM, SHARED, SMOL, TINY, Case


@unittest.skipUnless(SHARED.exists(), "needs ../shared, which is absent")
class Reference(Case):
    """The shared models by the command line alone, as others will compare them."""

    def compare(self, model, expected):
        key = "logits" if "logits" in expected else "hidden"
        rows = json.loads(self.works("logits", model, "--tokens", ",".join(map(str, expected["tokens"])),
                                     "--positions", ",".join(expected[key])))[key]
        for position, wanted in expected[key].items():
            error = sum((a - b) ** 2 for a, b in zip(wanted, rows[position])) / sum(a * a for a in wanted)
            self.assertLess(error, 1e-6, (model, position))

    def test_gguf(self):
        folder = SHARED / "conformance/gguf"
        for expected in json.loads((folder / "expected.json").read_text()):
            self.compare(folder / expected["model"], expected)

    def test_checkpoints(self):
        with tempfile.TemporaryDirectory() as temporary:
            out = pathlib.Path(temporary) / "out.gguf"
            for folder in (SHARED / "conformance/huggingface").iterdir():
                self.works("import", folder, out, "--type", "f32")
                self.compare(out, json.loads((folder / "expected.json").read_text()))


def read_safetensors(path):
    """{NAME: (dtype, shape, bytes)}"""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    return {name: (entry["dtype"], entry["shape"], content[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]])
            for name, entry in json.loads(content[8:start]).items() if name != "__metadata__"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@unittest.skipUnless(SHARED.exists(), "needs ../shared, which is absent")
class Import(Case):
    """A checkpoint with one fault: one line that names it, and no file."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.base = pathlib.Path(temporary.name)
        self.folder, self.out = self.base / "checkpoint", self.base / "out" / "model.gguf"
        self.out.parent.mkdir()
        shutil.copytree(SHARED / "conformance/huggingface/llama", self.folder)
        self.tensors = read_safetensors(self.folder / "model.safetensors")
        self.query = "model.layers.1.self_attn.q_proj.weight"

    def refused(self, *says, code=1, options=()):
        for text in says:
            self.fails(code, "import", self.folder, self.out, *options, says=text)
        self.assertEqual(list(self.out.parent.iterdir()), [], "a half-written file")

    def change(self, name, **members):
        path = self.folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**content, **members}))

    def save(self, name="model.safetensors"):
        write_safetensors(self.folder / name, self.tensors)

    def shards(self):
        """The checkpoint in two shards and an index."""
        (self.folder / "model.safetensors").unlink()
        names, files = sorted(self.tensors), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        parts = {files[0]: names[::2], files[1]: names[1::2]}
        for file, part in parts.items():
            write_safetensors(self.folder / file, {name: self.tensors[name] for name in part})
        self.change("model.safetensors.index.json", weight_map={name: file for file, part in parts.items() for name in part})
        return files

    def test_shards(self):
        whole = self.base / "whole.gguf"
        self.works("import", self.folder, whole, "--type", "f32")
        files = self.shards()
        self.works("import", self.folder, self.out, "--type", "f32")
        self.assertEqual(self.out.read_bytes(), whole.read_bytes())
        self.out.unlink()
        content = (self.folder / files[1]).read_bytes()
        (self.folder / files[1]).write_bytes(content[:-100])
        self.refused(files[1])
        (self.folder / files[1]).unlink()
        self.refused(files[1])

    def test_shard_outside_the_folder(self):
        self.shards()
        self.change("model.safetensors.index.json", weight_map={self.query: "../../secret.safetensors"})
        self.refused("../../secret.safetensors")

    def test_no_weights(self):
        (self.folder / "model.safetensors").unlink()
        self.refused("model.safetensors")
        (self.folder / "pytorch_model.bin").write_bytes(b"PK")
        self.refused("pytorch_model.bin")

    def test_broken_weights(self):
        path = self.folder / "model.safetensors"
        content = path.read_bytes()
        for broken in (b"", b"123", content[:8], content[:200], content[:-4], b"\xff" * 8 + content[8:], content[:8] + b"[" + content[9:]):
            path.write_bytes(broken)
            self.refused("model.safetensors")

    def test_tensors(self):
        dtype, (rows, columns), content = self.tensors[self.query]
        self.tensors[self.query] = (dtype, [rows - 1, columns], content[:4 * (rows - 1) * columns])
        self.save()
        self.refused(self.query, f"[{rows - 1}, {columns}]", f"[{rows}, {columns}]")
        del self.tensors[self.query]
        self.save()
        self.refused("blk.1.attn_q.weight")
        self.tensors[self.query] = (dtype, [rows, columns], content)
        self.tensors["model.layers.0.surprise.weight"] = ("F32", [1], b"\0" * 4)
        self.save()
        self.refused("model.layers.0.surprise.weight")

    def test_config(self):
        path = self.folder / "config.json"
        config = path.read_text()
        self.change("config.json", architectures=["MambaForCausalLM"])
        self.refused("MambaForCausalLM", "LlamaForCausalLM", "Glm4ForCausalLM")
        path.write_text(config)
        for key, value in (("hidden_size", None), ("num_attention_heads", 0), ("num_hidden_layers", -1), ("vocab_size", "many"), ("rope_parameters", [])):
            self.change("config.json", **{key: value})
            self.refused(key)
            path.write_text(config)
        for key, value in (("hidden_size", 7), ("num_hidden_layers", 1 << 40), ("num_hidden_layers", 3), ("vocab_size", 1 << 62)):
            self.change("config.json", **{key: value})
            self.refused("")
            path.write_text(config)
        path.write_text(config[:50])
        self.refused("config.json")
        path.unlink()
        self.refused("config.json")

    def test_tokenizer(self):
        path = self.folder / "tokenizer.json"
        good = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}}
        path.write_text(json.dumps(good))
        self.works("import", self.folder, self.out)
        self.out.unlink()
        for change, says in (({"model": {"type": "Oracle"}}, "Oracle"),
                             ({"pre_tokenizer": {"type": "Mystic"}}, "Mystic"),
                             ({"normalizer": {"type": "Mangle"}}, "Mangle"),
                             ({"post_processor": {"type": "Polish"}}, "Polish"),
                             ({"decoder": {"type": "Puzzle"}}, "Puzzle"),
                             ({"model": {**good["model"], "vocab": {"a": 0, "b": 1 << 40}}}, "tokenizer.json"),
                             ({"model": {**good["model"], "vocab": []}}, "tokenizer.json"),
                             ({"model": {**good["model"], "merges": ["a z"]}}, "merge 0 of a and z"),
                             ({"model": {**good["model"], "merges": [1, 2]}}, "tokenizer.json"),
                             ({"added_tokens": [{"content": "x"}]}, "tokenizer.json")):
            path.write_text(json.dumps({**good, **change}))
            self.refused(says)
        for text in ("", "{", "[]", '{"model": null}', "\xff"):
            path.write_text(text, encoding="latin-1")
            self.refused("tokenizer.json")

    def test_output(self):
        self.refused("Q9_9", "Q4_K", code=2, options=("--type", "Q9_9"))
        self.fails(1, "import", self.folder, self.base / "nowhere" / "out.gguf", says="nowhere")
        self.fails(1, "import", self.folder, self.base, says="not a regular file, " + str(self.base))
        self.fails(1, "import", self.base / "absent", self.out, says="absent")
        self.out.write_bytes(b"what was there")
        self.change("config.json", architectures=["MambaForCausalLM"])
        self.fails(1, "import", self.folder, self.out)
        self.assertEqual(self.out.read_bytes(), b"what was there")

    def adapter(self, inputs, outputs, seed=1):
        """Of the first layer's queries, of rank 2, weights of both signs."""
        random.seed(seed)
        folder = self.base / f"adapter{seed}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 32}))
        stem = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
        write_safetensors(folder / "adapter_model.safetensors", {
            f"{stem}{letter}.weight": ("F32", shape, struct.pack(f"<{shape[0] * shape[1]}f", *(random.uniform(-0.3, 0.3) for _ in range(shape[0] * shape[1]))))
            for letter, shape in (("A", [2, inputs]), ("B", [outputs, 2]))})
        return folder

    def test_adapter_for_another_model(self):
        shape = self.tensors[self.query][1]
        self.folder, base = self.adapter(shape[1], shape[0]), self.folder
        self.refused("--base")
        self.works("import", self.folder, self.out, "--base", base)
        other = self.base / "other.gguf"
        self.works("import", SHARED / "conformance/huggingface/qwen2", other)
        self.fails(1, "run", other, "x", "--lora", self.out)
        self.out.unlink()
        self.folder = self.adapter(shape[1] + 2, shape[0], seed=2)
        self.refused("another model", options=("--base", base))

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_lora(self):
        adapters = []
        for seed in (1, 2):
            adapters.append(self.base / f"adapter{seed}.gguf")
            self.works("import", self.adapter(576, 576, seed=seed), adapters[-1], "--base", SMOL)
        one, two = adapters

        def answer(*lora):
            return self.works("run", SMOL, "The sky is", "--raw", "--temperature", "0", "-n", "12", *(part for text in lora for part in ("--lora", text)))

        # Once is so little that a near-tie decides whether the text changes; four times turn it at once.
        plain, with_one, with_both = answer(), answer(f"{one}=4"), answer(f"{one}=4", f"{two}=4")
        self.assertEqual(len({plain, with_one, with_both}), 3)
        self.assertEqual(answer(f"{one}=0"), plain)
        begun = len(with_one) // 4  # two halves round otherwise than one whole, and further on that may turn a near-tie
        self.assertEqual(answer(f"{one}=2", f"{one}=2")[:begun], with_one[:begun])
        self.fails(2, "run", SMOL, "x", "--lora", f"{one}=strong", says="FILE=SCALE")
        self.fails(1, "run", SMOL, "x", "--lora", self.base / "absent.gguf", says="absent.gguf")
        self.fails(1, "run", SMOL, "x", "--lora", TINY, says="llama-dense.gguf")

    @unittest.skipUnless(MINILM.exists(), "needs all-MiniLM-L6-v2 (make models)")
    def test_interrupted_import_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            self.interrupted("import", MINILM, pathlib.Path(folder) / "out.gguf", "--type", "Q6_K")
            self.assertEqual(os.listdir(folder), [])

if __name__ == "__main__":
    unittest.main(verbosity=1)
