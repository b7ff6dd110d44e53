#!/usr/bin/env python3
"""The command line as a user meets it: results on stdout, one line of error, the right exit code.

    cli_test.py HEARTH    (the program)
"""
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

HEARTH = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", ROOT / ".." / "shared"))
DATA = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
MODELS = pathlib.Path(os.environ.get("HEARTH_HOME", pathlib.Path(DATA) / "hearth")) / "models"
SMOL = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = MODELS / "all-minilm-l6-v2"
TINY = SHARED / "conformance/gguf/llama-dense.gguf"


def hearth(*arguments, stdin="", env=None):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([HEARTH, *map(str, arguments)], input=stdin, capture_output=True, timeout=300,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def killed_while_writing(command, size):
    """The system kills it where a file of its would grow beyond so many bytes: at the same point on every machine."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, preexec_fn=limit)
    assert done.returncode == -signal.SIGXFSZ, done


def with_metadata(content, key, kind, value):
    """A GGUF file's bytes with one key more."""
    def entry(key, kind, value):
        return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value

    entries = entry(key, kind, value)
    left = -(len(entries) + len(entry("x", 8, bytes(8)))) % 32  # what follows keeps its alignment
    entries += entry("x", 8, struct.pack("<Q", left) + b" " * left)
    return content[:16] + struct.pack("<Q", struct.unpack("<Q", content[16:24])[0] + 2) + entries + content[24:]


class Case(unittest.TestCase):
    def interrupted(self, *arguments):
        """Its standard output; Ctrl-C comes as soon as it is waited for."""
        child = subprocess.Popen([HEARTH, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        status = pathlib.Path(f"/proc/{child.pid}/status")
        caught = lambda: int(status.read_text().split("SigCgt:")[1].split()[0], 16)
        while child.poll() is None and not caught() >> (signal.SIGINT - 1) & 1:
            pass
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
        self.assertEqual((child.returncode, err), (1, b"hearth: error: interrupted\n"))
        return out

    def fails(self, code, *arguments, says="", **options):
        status, out, err = hearth(*arguments, **options)
        self.assertEqual(status, code, (arguments, out, err))
        lines = err.strip().splitlines()
        self.assertEqual(len(lines), 1, err)
        self.assertTrue(lines[0].startswith("hearth: error: "), err)
        self.assertIn(says, lines[0])
        self.assertEqual(out, "", "no partial output that looks like a result")

    def works(self, *arguments, **options):
        status, out, err = hearth(*arguments, **options)
        self.assertEqual(status, 0, (arguments, out, err))
        return out


class Usage(Case):
    def test_help_and_version(self):
        self.assertIn("perplexity", self.works("--help"))
        self.assertIn("--temperature", self.works("run", "--help"))
        self.assertRegex(self.works("--version"), r"\d+\.\d+\.\d+")
        for command in re.findall(r"^  ([a-z]+) ", self.works("--help").split("Subcommands:")[1], re.M):
            self.assertIn("--threads", self.works(command, "--help"))

    def test_a_result_that_cannot_be_written(self):
        for arguments in (("--help",), ("inspect", TINY), ("logits", TINY, "--tokens", "1")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([HEARTH, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertRegex(done.stderr, rb"^hearth: error: No space left on device, stdout.*\n$")

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_a_stdin_that_cannot_be_read(self):
        for command in ("run", "chat", "tokenize"):
            folder = os.open("/", os.O_RDONLY)
            done = subprocess.run([HEARTH, command, SMOL], stdin=folder, capture_output=True)
            os.close(folder)
            self.assertEqual((done.returncode, done.stdout), (1, b""), command)
            self.assertRegex(done.stderr, rb"^hearth: error: Is a directory, stdin\n$")

    @unittest.skipIf(b"__asan_init" in HEARTH.read_bytes(), "the sanitizer needs more memory than the test leaves")
    def test_more_threads_than_the_system_gives(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        done = subprocess.run([HEARTH, "logits", TINY, "--tokens", "1", "--threads", "1000"], capture_output=True, preexec_fn=limit)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rb"^hearth: error: the system gives no more than \d+ of 1000 threads.*\n$")

    def test_wrong_usage_is_2(self):
        for option in ("--max-tokens", "--seed", "--sink"):
            self.fails(2, "run", TINY, "x", option, "-1", says="-1 is less than 0")
            self.fails(2, "run", TINY, "x", option, "99999999999999999999", says="99999999999999999999 is too large")
        self.fails(2, "quantize", TINY, "/tmp/out.gguf", "--threads", "0", says="--threads")
        self.fails(2, "run", TINY, "x", "--rope-factor", "0", says="--rope-factor: 0 is not more than 0")
        self.fails(2)
        self.fails(2, "fly", says="fly")
        self.fails(2, "run")
        self.fails(2, "run", TINY, "x", "--temperature", "banana", says="banana")
        self.fails(2, "run", TINY, "x", "--threads", "0", says="threads")
        self.fails(2, "bench", TINY, "--unknown", says="unknown")


class Template(Case):
    def test_template(self):
        with tempfile.TemporaryDirectory() as folder:
            source, context = pathlib.Path(folder) / "t.jinja", pathlib.Path(folder) / "context.json"
            context.write_text('{"messages": [{"role": "user", "content": "Hi é"}]}')
            source.write_text("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ strftime_now('%d.%m.%Y') }}")
            render = ("template", "--template", source, "--context", context)
            self.assertEqual(self.works(*render, "--now", "1767225600", env={"TZ": "UTC"}), "<user>Hi é01.01.2026")
            source.write_text("{{ raise_exception('not ' ~ messages[0].role) }}")
            self.fails(1, *render, says="not user")
            source.write_text("a\n{% for %}")
            self.fails(1, *render, says="line 2")
            context.write_text("[]")
            self.fails(1, *render, says="context.json")


@unittest.skipUnless(SHARED.exists(), "needs ../shared, which is absent")
class BadFiles(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, content):
        path = pathlib.Path(self.folder.name) / "bad.gguf"
        path.write_bytes(content)
        return path

    def test_not_a_model(self):
        self.fails(1, "run", "/nowhere/model.gguf", "x", says="/nowhere/model.gguf")
        self.fails(1, "inspect", self.folder.name)
        for command in (("inspect",), ("evaluate", TINY, "--data"), ("report", TINY, "--out")):
            self.fails(1, *command, "a" * 5000, says="error: File name too long, aaa")
        self.fails(1, "inspect", self.file(b""), says="empty")
        self.fails(1, "inspect", self.file(b"GG"))
        self.fails(1, "inspect", self.file(b"PK\x03\x04 not a model at all" * 10), says="bad.gguf")
        self.fails(1, "inspect", self.file(b"GGUF" + struct.pack("<IQQ", 99, 0, 0)), says="99")
        self.fails(1, "inspect", self.file(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)))

    def test_long_text_is_cut_between_characters(self):
        for begin in ("", "a"):
            text = (begin + "é" * 300).encode()
            path = self.file(with_metadata(TINY.read_bytes(), "general.description", 8, struct.pack("<Q", len(text)) + text))
            line = next(line for line in self.works("inspect", path).splitlines() if "description" in line)
            self.assertTrue(line.endswith("é ...") and len(line) < 150, line)

    def test_truncated_at_any_length(self):
        whole = TINY.read_bytes()
        for length in (7, 23, 100, 1000, 20000, len(whole) // 2, len(whole) - 1):
            self.fails(1, "logits", self.file(whole[:length]), "--tokens", "1", says="bad.gguf")

    def test_unknown_family(self):
        self.fails(1, "logits", self.file(TINY.read_bytes().replace(b"llama", b"lxama")), "--tokens", "1", says="lxama")

    def test_flipped_bytes_never_crash(self):
        whole = TINY.read_bytes()
        for position in range(4, 2400, 97):
            broken = bytearray(whole)
            broken[position] ^= 0xff
            status, _, err = hearth("logits", self.file(broken), "--tokens", "1,2,3")
            self.assertIn(status, (0, 1), (position, err))

    def test_no_tokenizer(self):
        self.fails(1, "run", TINY, "x", says="no tokenizer")
        self.fails(2, "logits", TINY, "--tokens", "1,x", says="--tokens")
        self.fails(2, "logits", TINY, "--tokens", "4000", says="4000")
        self.fails(2, "logits", TINY, "--tokens", "1,2", "--positions", "2", says="position 2")

    def test_logits(self):
        rows = json.loads(self.works("logits", TINY, "--tokens", "86,102,5", "--positions", "0,2"))["logits"]
        self.assertEqual(sorted(rows), ["0", "2"])
        self.assertEqual(len(rows["0"]), 128)

    def test_levels(self):
        self.fails(2, "logits", TINY, "--tokens", "1", env={"HEARTH_CPU": "pentium"}, says="pentium")
        self.works("logits", TINY, "--tokens", "1", env={"HEARTH_CPU": "generic"})


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
class Embed(Case):
    def test_errors_count_texts_as_results_do(self):
        with tempfile.TemporaryDirectory() as folder:
            encoder, texts = pathlib.Path(folder) / "encoder.gguf", pathlib.Path(folder) / "texts"
            self.works("import", MINILM, encoder)
            texts.write_text("short\n" * 300 + "long " * 600)
            status, out, err = hearth("embed", encoder, "--file", texts)
            self.assertEqual((status, len(out.splitlines())), (1, 256))  # what was finished
            self.assertIn("text 300 has 602 tokens", err)
            self.fails(1, "embed", encoder, "--file", "-", stdin=b"a\n\xff\n", says="text 1")


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Smol(Case):
    def test_run(self):
        self.assertIn("Paris", self.works("run", SMOL, "Name the capital of France.", "--temperature", "0", "-n", "20"))
        out = json.loads(self.works("run", SMOL, "The capital of France is", "--raw", "--temperature", "0", "-n", "4", "--json"))
        self.assertTrue(out["text"].startswith(" Paris"))
        self.assertEqual(out["finish_reason"], "length")
        self.assertEqual(out["usage"]["completion_tokens"], 4)
        self.assertEqual(out["usage"]["prompt_tokens"], 5)

    def test_seed(self):
        once, again = (self.works("run", SMOL, "Tell a story.", "--seed", "7", "-n", "24") for _ in range(2))
        self.assertEqual(once, again)

    def test_sampling_as_the_file_suggests(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "greedy.gguf"
            path.write_bytes(with_metadata(SMOL.read_bytes(), "general.sampling.temp", 6, struct.pack("<f", 0)))
            story = ("run", path, "A story:", "-n", "12", "--seed")
            greedy = self.works(*story, 1)
            self.assertEqual(self.works(*story, 2), greedy)
            self.assertNotEqual(self.works(*story, 2, "--temperature", "1.5"), greedy)

    def test_levels_agree(self):
        answers = {level: self.works("run", SMOL, "Once upon a time", "--raw", "--temperature", "0", "-n", "6", env={"HEARTH_CPU": level})
                   for level in ("generic", "avx2")}
        self.assertEqual(len(set(answers.values())), 1, answers)

    def test_chat_answers_each_line(self):
        out = self.works("chat", SMOL, "--temperature", "0", "-n", "16", stdin="Say hello.\n\nSay it again.\n")
        self.assertGreaterEqual(len(out.strip().splitlines()), 2)

    def test_chat_outlives_ctrl_c_at_its_prompt(self):
        terminal, its_side = pty.openpty()
        with tempfile.TemporaryDirectory() as folder:  # of its history
            child = subprocess.Popen([HEARTH, "chat", SMOL], stdin=its_side, stdout=its_side, stderr=subprocess.DEVNULL, env={**os.environ, "HEARTH_HOME": folder},
                                     preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0), signal.signal(signal.SIGINT, signal.SIG_DFL)))
            os.close(its_side)
            seen = b""
            for prompt, keys in ((b"> ", b"\x03"), (b"\n> ", b"/quit\r")):
                while not seen.endswith(prompt):
                    seen += os.read(terminal, 1)
                while ") S " not in pathlib.Path(f"/proc/{child.pid}/stat").read_text():  # until it waits for a key
                    pass
                os.write(terminal, keys)
            self.assertEqual(child.wait(timeout=60), 0)
        os.close(terminal)

    def test_chat_in_json(self):
        lines = self.works("chat", SMOL, "-n", "4", "--json", stdin="Hi\nAnd you?\n").splitlines()
        self.assertEqual([len(json.loads(line)["tokens"]) for line in lines], [4, 4])

    def test_schema(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as schema:
            schema.write('{"type":"object","properties":{"name":{"type":"string","maxLength":20},"age":{"type":"integer"}},'
                         '"required":["name","age"],"additionalProperties":false}')
            schema.flush()
            answer = json.loads(self.works("run", SMOL, "Describe a person.", "--json-schema", schema.name, "--seed", "3"))
        self.assertIsInstance(answer["age"], int)

    def test_tokenize_keeps_bytes(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write("a\n".encode())
            file.flush()
            with_newline = json.loads(self.works("tokenize", SMOL, "--file", file.name, "--json"))
        self.assertEqual(len(json.loads(self.works("tokenize", SMOL, "a", "--json"))) + 1, len(with_newline))

    def test_bad_prompts(self):
        self.fails(1, "run", SMOL, stdin=b"\xff\xfe not text", says="UTF-8")
        self.fails(1, "run", SMOL, "--context", "16", "word " * 100, says="context")
        self.fails(2, "run", SMOL, "x", "--top-p", "1.5", says="top-p")
        self.fails(1, "run", SMOL, "x", "--grammar", "/nowhere.gbnf", says="/nowhere.gbnf")
        with tempfile.NamedTemporaryFile("w") as file:
            for option, text, fault in (("--grammar", 'x ::= "a"', "no rule named root"), ("--json-schema", "false", "nothing is valid"), ("--json-schema", "{", "not JSON")):
                file.seek(file.truncate(0))
                file.write(text)
                file.flush()
                self.fails(1, "run", SMOL, "x", option, file.name, says=fault)
                self.fails(1, "run", SMOL, "x", option, file.name, says=file.name)

    def test_prompt_cache(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = pathlib.Path(folder) / "cache"
            ask = ("run", SMOL, "The capital of France is", "--raw", "--temperature", "0", "-n", "4", "--json", "--prompt-cache")
            first, again = (json.loads(self.works(*ask, cache)) for _ in range(2))
            self.assertEqual(first["text"], again["text"])
            self.assertGreater(cache.stat().st_size, 0)
            self.assertEqual([path.name for path in cache.parent.iterdir()], ["cache"])
        self.fails(1, *ask, "/nowhere/cache", says="/nowhere/cache")  # before an answer that could not be kept

    def test_perplexity(self):
        text = SHARED / "data/text/wikitext2-valid.txt"
        result = json.loads(self.works("perplexity", SMOL, "--file", text, "--chunks", "1", "--json"))
        self.assertEqual(result["tokens"], 255)
        self.assertLess(result["perplexity"], 30)

    def test_perplexity_against(self):
        text = SHARED / "data/text/wikitext2-valid.txt"
        result = json.loads(self.works("perplexity", SMOL, "--file", text, "--chunks", "1", "--context", "64", "--against", SMOL, "--json"))
        self.assertLess(result["against"]["kl_divergence"], 1e-5)
        self.assertEqual(result["against"]["top_token_agreement"], 1)
        self.fails(1, "perplexity", SMOL, "--file", pathlib.Path(__file__).parent / "../temporary.h", "--context", "8000", says="needs 8000")
        self.fails(1, "perplexity", SMOL, "--file", "/nowhere.txt", says="/nowhere.txt")

    def test_evaluate(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            items, out = folder / "items.jsonl", folder / "out.json"
            printed = json.loads(self.works("evaluate", SMOL, "--data", SHARED / "data/eval", "--tasks", "openbookqa,boolq", "--limit", "2",
                                            "--items", items, "--out", out, "--json"))
            self.assertEqual(printed, json.loads(out.read_text()))
            self.assertEqual(sorted(printed["results"]), ["boolq", "openbookqa"])
            self.assertIn("acc_norm_stderr,none", printed["results"]["openbookqa"])
            rows = [json.loads(line) for line in items.read_text().splitlines()]
            self.assertEqual([row["id"] for row in rows], ["openbookqa-0", "openbookqa-2", "boolq-0", "boolq-2"])
            self.assertEqual([len(row["loglikelihood"]) for row in rows], [4, 4, 2, 2])
            self.assertEqual(sorted(path.name for path in folder.iterdir()), ["items.jsonl", "out.json"])
            self.assertIn("rows/s", self.works("evaluate", SMOL, "--data", SHARED / "data/eval", "--tasks", "piqa", "--limit", "1", "--shots", "1"))

    def test_evaluate_goes_on_after_a_kill(self):
        with tempfile.TemporaryDirectory() as folder:
            items = pathlib.Path(folder) / "items.jsonl"
            command = [HEARTH, "evaluate", SMOL, "--data", SHARED / "data/eval", "--tasks", "openbookqa", "--limit", "16", "--batch", "2",
                       "--items", items, "--json"]
            killed_while_writing(command, 1500)
            self.assertFalse(items.exists())
            lines = pathlib.Path(f"{items}.part").read_text().count("\n")  # the first says of which run they are
            result = json.loads(self.works(*command[1:]))
            self.assertGreaterEqual(lines, 5)
            self.assertEqual(result["rows"]["kept"], lines - 1)
            self.assertEqual(result["rows"]["kept"] + result["rows"]["scored"], 16)
            self.assertEqual(len(items.read_text().splitlines()), 16)

    def test_evaluate_loses_nothing_to_a_full_disk(self):
        def fill():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # room for the row, not for the results
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.json"
            command = [HEARTH, "evaluate", SMOL, "--data", SHARED / "data/eval", "--tasks", "piqa", "--limit", "1", "--out"]
            done = subprocess.run([*command, out], capture_output=True, preexec_fn=fill)
            self.assertEqual((done.returncode, out.exists()), (1, False), done.stderr)
            self.assertEqual(json.loads(self.works(*command[1:], out, "--json"))["rows"]["kept"], 1)
            self.fails(1, *command[1:], "/nowhere/out", says="/nowhere/out")
            self.fails(1, *command[1:], out, "--items", "/nowhere/items", says="/nowhere/items")

    def test_evaluate_bad_input(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            self.fails(1, "evaluate", SMOL, "--data", folder, says=str(folder))
            self.fails(1, "evaluate", SMOL, "--data", "/nowhere", says="/nowhere")
            self.fails(2, "evaluate", SMOL, "--data", folder, "--tasks", "flying", says="flying")
            (folder / "piqa.jsonl").write_text('{"goal": "g", "choices": ["a", "b"], "gold": 0}\n{"goal": "g", "choices": ["a", "b"]}\n')
            self.fails(1, "evaluate", SMOL, "--data", folder, says='"gold" is missing, ' + str(folder / "piqa.jsonl") + " row 2")
            (folder / "mine.json").write_text('{"task": "mine"}')
            self.fails(1, "evaluate", SMOL, "--data", folder, "--task-file", folder / "mine.json", says="mine.json")

    def test_bench(self):
        results = json.loads(self.works("bench", SMOL, "-p", "16", "-n", "4", "--repeat", "1", "--json"))["results"]
        self.assertEqual([r["test"] for r in results], ["pp16", "tg4"])
        self.assertTrue(all(0 < r["bandwidth_share"] and 0 < r["arithmetic_share"] for r in results), results)
        results = json.loads(self.works("bench", SMOL, "-p", "0", "-n", "4", "--depth", "8", "--batch", "3", "--repeat", "1", "--json"))["results"]
        self.assertEqual([r["test"] for r in results], ["tg4 @ d8 x3"])
        self.fails(1, "bench", SMOL, "--depth", "18446744073709551615", says="context")

    def test_inspect(self):
        document = json.loads(self.works("inspect", SMOL, "--tensors", "--json"))
        self.assertEqual(document["metadata"]["general.architecture"], "llama")
        self.assertEqual(len(document["tensors"]), document["tensor_count"])

    def test_interrupted_is_no_result(self):
        endless = [HEARTH, "run", SMOL, "Count.", "--temperature", "0", "--logit-bias", "2=-inf", "--logit-bias", "0=-inf", "--context-shift"]
        child = subprocess.Popen(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.read(1)
        child.send_signal(2)
        _, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 1, err)
        self.assertIn(b"interrupted", err)

    def test_interrupted_while_the_prompt_is_read(self):
        answer = json.loads(self.interrupted("run", SMOL, "word " * 7000, "--json"))
        self.assertEqual((answer["finish_reason"], answer["tokens"]), ("cancelled", []))

    @unittest.skipUnless(MINILM.exists(), "needs all-MiniLM-L6-v2 (make models)")
    def test_interrupted_import_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            self.interrupted("import", MINILM, pathlib.Path(folder) / "out.gguf", "--type", "Q6_K")
            self.assertEqual(os.listdir(folder), [])


@unittest.skipUnless(SHARED.exists(), "needs ../shared, which is absent")
class Compress(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out.gguf"

    def test_quantize(self):
        result = json.loads(self.works("quantize", TINY, self.out, "--type", "Q5_1", "--output-type", "Q8_0", "--tensor-type",
                                       "attn_v=F16", "--json"))
        types = {tensor["name"]: tensor["to"] for tensor in result["tensors"]}
        self.assertEqual((types["blk.0.attn_q.weight"], types["blk.0.attn_v.weight"], types["output.weight"]), ("Q5_1", "F16", "Q8_0"))
        self.assertEqual(result["bytes"], self.out.stat().st_size)
        inspected = json.loads(self.works("inspect", self.out, "--json"))
        self.assertEqual(inspected["metadata"]["hearth.quantize.source"], TINY.name)
        rows = [json.loads(self.works("logits", model, "--tokens", "86,102,5"))["logits"]["2"] for model in (TINY, self.out)]
        self.assertLess(max(abs(a - b) for a, b in zip(*rows)), 0.1 * max(map(abs, rows[0])))
        self.assertIn("bits a weight", self.works("quantize", TINY, self.out, "--type", "q8_0"))

    def test_bad_requests(self):
        text = self.folder / "text.txt"
        text.write_text("Too short a text.")
        before = TINY.read_bytes()
        quantize = ("quantize", TINY, self.out)
        self.fails(2, *quantize, "--type", "Q9_X", says="Q9_X")
        self.fails(2, *quantize, "--method", "magic", says="magic")
        self.fails(2, *quantize, "--method", "importance", says="--importance")
        self.fails(2, *quantize, "--method", "feedback", says="--calibration")
        self.fails(2, *quantize, "--target-size", "many", says="many")
        self.fails(2, *quantize, "--tensor-type", "attn_v", says="PATTERN=TYPE")
        self.fails(2, *quantize, "--tensor-type", "(=Q8_0", says="'('")
        self.fails(2, *quantize, "--tensor-type", "atn_v=Q8_0", says="'atn_v' fits no tensor")
        self.fails(2, *quantize, "--method", "nearest", "--importance", "nothere.gguf", says="--importance nothere.gguf")
        for bits in ("nan", "-1", "0", "inf"):
            self.fails(2, *quantize, "--target-bits", bits, says=f"{bits} bits a weight")
        self.fails(1, *quantize, "--tensor-type", "ffn_down=Q6_K", says="blocks of 256")
        self.fails(1, *quantize, "--method", "importance", "--importance", TINY, says="imatrix")
        self.fails(1, *quantize, "--importance", TINY, says="imatrix")  # which says how
        self.fails(1, *quantize, "--method", "feedback", "--calibration", text, says="tokenizer")
        self.fails(2, "quantize", TINY, TINY, says="the input itself")
        self.fails(1, "quantize", "/nowhere.gguf", self.out, says="/nowhere.gguf")
        self.fails(1, "quantize", TINY, "/nowhere/out.gguf", says="/nowhere/out.gguf")
        self.fails(1, "importance", TINY, "--file", text, "--out", self.out, says="tokenizer")
        self.fails(1, "importance", TINY, "--file", text, "--out", "/nowhere/out", says="/nowhere/out")
        shutil.copyfile(TINY, self.folder / "model.gguf")
        self.fails(2, "importance", self.folder / "model.gguf", "--file", text, "--out", self.folder / "model.gguf", says="the input itself")
        (self.folder / "model.gguf").unlink()
        self.fails(1, *quantize[:2], "/nowhere/out.gguf", "--method", "feedback", "--calibration", text, says="/nowhere/out.gguf")
        self.fails(1, "prune", TINY, "/nowhere/out.gguf", "--calibration", text, says="/nowhere/out.gguf")
        self.fails(2, "prune", TINY, self.out, "--calibration", text, "--amount", "2", says="--amount")
        self.fails(2, "prune", TINY, self.out, "--calibration", text, "--method", "bonsai", says="bonsai")
        self.assertEqual(TINY.read_bytes(), before)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["text.txt"])

    def test_full_disk(self):
        def fill():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        done = subprocess.run([HEARTH, "quantize", TINY, self.out, "--type", "F16"], capture_output=True, preexec_fn=fill)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertIn(b"out.gguf", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_report(self):
        mine = self.folder / "report/llama-dense-q8_0.gguf"  # as the user calls it too
        mine.parent.mkdir()
        mine.write_bytes(b"mine")
        printed = self.works("report", TINY, "--out", self.folder / "report", "--methods", "q8_0,q4_0")
        self.assertEqual(mine.read_bytes(), b"mine")
        mine.unlink()
        self.assertTrue(printed.startswith("On this machine"), printed)
        document = json.loads((self.folder / "report/report.json").read_text())
        self.assertEqual([entry["method"] for entry in document["entries"]], ["original", "q8_0", "q4_0"])
        self.assertTrue(all(entry["generation_tokens_per_second"] > 0 for entry in document["entries"]))
        self.assertIn("| q4_0 |", (self.folder / "report/report.md").read_text())
        self.assertEqual(list(self.folder.glob("report/*.gguf")), [])
        self.fails(2, "report", TINY, "--out", self.folder / "other", "--methods", "q9", says="q9")
        self.fails(2, "report", TINY, "--out", self.folder / "other", "--methods", "q4_0,q8_0,q4_0", says="two rows would be called 'q4_0'")
        self.fails(2, "report", TINY, "--out", self.folder / "other", "--methods", "q4_0:feedback", says="--calibration")
        self.fails(1, "report", TINY, "--out", self.folder / "other", "--profile", TINY, says="llama-dense")
        self.assertFalse((self.folder / "other").exists())
        # A compressed file may be among the methods; where the folder cannot be written is told before any work.
        self.works("quantize", TINY, self.out, "--type", "Q5_0")
        printed = self.works("report", TINY, "--out", self.folder / "other", "--methods", f"{self.out},q4_0", "--json")
        self.assertEqual([entry["method"] for entry in json.loads(printed)["entries"]], ["original", "out", "q4_0"])
        self.assertTrue(self.out.exists())
        with tempfile.TemporaryDirectory() as folder:
            encoder = pathlib.Path(folder) / "encoder.gguf"
            self.works("import", SHARED / "conformance/huggingface/bert", encoder)
            self.fails(1, "report", encoder, "--out", folder, "--methods", "q8_0", says=f"an encoder generates nothing, {encoder}")
        for place in (self.out, self.out / "below"):
            self.fails(1, "report", TINY, "--out", place, "--methods", "q8_0", says=str(place))

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_real_model(self):
        text = SHARED / "data/text/wikitext2-valid.txt"
        matters, pruned = self.folder / "matters.gguf", self.folder / "pruned.gguf"
        measured = json.loads(self.works("importance", SMOL, "--file", text, "--out", matters, "--context", "64", "--chunks", "2", "--json"))
        self.assertEqual((measured["chunks"], measured["chunk_tokens"]), (2, 64))
        self.works("prune", SMOL, pruned, "--amount", "0.9", "--calibration", text, "--context", "64", "--chunks", "1")
        self.assertEqual(json.loads(self.works("inspect", pruned, "--json"))["metadata"]["llama.block_count"], 3)
        self.fails(1, "quantize", pruned, self.out, "--method", "importance", "--importance", matters, says=str(matters))
        for options in (("importance", "--importance", matters), ("feedback", "--calibration", text, "--context", "64", "--chunks", "4")):
            model = pruned if options[0] == "feedback" else SMOL
            self.works("quantize", model, self.out, "--type", "Q4_0", "--method", *options)
            result = json.loads(self.works("perplexity", self.out, "--against", model, "--file", text, "--context", "64", "--chunks", "1", "--json"))
            self.assertLess(result["against"]["kl_divergence"], 0.3, options)

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_killed_leaves_no_model(self):
        killed_while_writing([HEARTH, "quantize", SMOL, self.out, "--type", "Q3_K_M"], 1000000)
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main(verbosity=1)
