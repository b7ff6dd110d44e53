#!/usr/bin/env python3
"""The command line as a user meets it: results on stdout, one line of error, the right exit code.

    cli_test.py HEARTH    (the program)
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HEARTH = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", ROOT / ".." / "shared"))
DATA = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
MODELS = pathlib.Path(os.environ.get("HEARTH_HOME", pathlib.Path(DATA) / "hearth")) / "models"
SMOL = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
TINY = SHARED / "conformance/gguf/llama-dense.gguf"


def hearth(*arguments, stdin="", env=None):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([HEARTH, *map(str, arguments)], input=stdin, capture_output=True, timeout=300,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


class Case(unittest.TestCase):
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

    def test_wrong_usage_is_2(self):
        self.fails(2)
        self.fails(2, "fly", says="fly")
        self.fails(2, "run")
        self.fails(2, "run", TINY, "x", "--temperature", "banana", says="banana")
        self.fails(2, "run", TINY, "x", "--threads", "0", says="threads")
        self.fails(2, "bench", TINY, "--unknown", says="unknown")


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
        self.fails(1, "inspect", self.file(b""), says="empty")
        self.fails(1, "inspect", self.file(b"GG"))
        self.fails(1, "inspect", self.file(b"PK\x03\x04 not a model at all" * 10), says="bad.gguf")
        self.fails(1, "inspect", self.file(b"GGUF" + struct.pack("<IQQ", 99, 0, 0)), says="99")
        self.fails(1, "inspect", self.file(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)))

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


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Smol(Case):
    def test_run(self):
        self.assertIn("Paris", self.works("run", SMOL, "What is the capital of France?", "--temperature", "0", "-n", "20"))
        out = json.loads(self.works("run", SMOL, "The capital of France is", "--raw", "--temperature", "0", "-n", "4", "--json"))
        self.assertTrue(out["text"].startswith(" Paris"))
        self.assertEqual(out["finish_reason"], "length")
        self.assertEqual(out["usage"]["completion_tokens"], 4)
        self.assertEqual(out["usage"]["prompt_tokens"], 5)

    def test_seed(self):
        once, again = (self.works("run", SMOL, "Tell a story.", "--seed", "7", "-n", "24") for _ in range(2))
        self.assertEqual(once, again)

    def test_sampling_as_the_file_suggests(self):
        def entry(key, kind, value):
            return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value

        content = SMOL.read_bytes()
        entries = entry("general.sampling.temp", 6, struct.pack("<f", 0))
        left = -(len(entries) + len(entry("x", 8, bytes(8)))) % 32  # what follows keeps its alignment
        entries += entry("x", 8, struct.pack("<Q", left) + b" " * left)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "greedy.gguf"
            path.write_bytes(content[:16] + struct.pack("<Q", struct.unpack("<Q", content[16:24])[0] + 2) + entries + content[24:])
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
            child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
            part = pathlib.Path(f"{items}.part")
            while child.poll() is None and not (part.exists() and part.read_text().count("\n") > 4):
                time.sleep(0.02)
            child.kill()
            child.wait()
            self.assertFalse(items.exists())
            self.assertTrue(part.exists(), "it ended before it could be killed")
            result = json.loads(self.works(*command[1:]))
            self.assertGreaterEqual(result["rows"]["kept"], 4)
            self.assertEqual(result["rows"]["kept"] + result["rows"]["scored"], 16)
            self.assertEqual(len(items.read_text().splitlines()), 16)

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
        child = subprocess.Popen([HEARTH, "run", SMOL, "Count to one thousand.", "--temperature", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.read(1)
        child.send_signal(2)
        _, err = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 1, err)
        self.assertIn(b"interrupted", err)


if __name__ == "__main__":
    unittest.main(verbosity=1)
