#!/usr/bin/env python3
"""What holds for every command: help, wrong usage, files that are none, what cannot be written or read."""
import os
import pathlib
import re
import resource
import struct
import subprocess
import tempfile
import unittest

from program import HEARTH, SHARED, SMOL, TINY, Case, hearth, with_metadata


class Usage(Case):
    def commands(self):
        return re.findall(r"^  ([a-z]+) ", self.works("--help").split("Subcommands:")[1], re.M)

    def test_help_and_version(self):
        self.assertIn("perplexity", self.works("--help"))
        self.assertIn("--temperature", self.works("run", "--help"))
        self.assertRegex(self.works("--version"), r"\d+\.\d+\.\d+")
        for command in self.commands():
            self.assertIn("--threads", self.works(command, "--help"))

    def test_options_stand_where_they_do_something(self):
        rope, shift = ["--rope-scaling", "--rope-factor", "--rope-base"], ["--context-shift", "--sink"]
        positions = {"run": rope + shift, "chat": rope + shift, "embed": rope, "evaluate": rope, "logits": rope, "perplexity": rope}
        for command in self.commands():
            listed = re.findall(r"^  +(--(?:rope|context-shift|sink)[a-z-]*)", self.works(command, "--help"), re.M)
            self.assertEqual(listed, positions.get(command, []), command)

    def test_a_result_that_cannot_be_written(self):
        for arguments in (("--help",), ("inspect", TINY), ("logits", TINY, "--tokens", "1")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([HEARTH, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertRegex(done.stderr, rb"^hearth: error: No space left on device, stdout.*\n$")

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_a_long_result_that_cannot_be_written(self):
        endless = ("--logit-bias", "2=-inf", "--logit-bias", "0=-inf", "--context-shift")
        for command in (("tokenize", "word " * 20000), ("run", "Count.", *endless), ("chat", *endless)):
            with open("/dev/full", "w") as full:
                done = subprocess.run([HEARTH, command[0], SMOL, *command[1:]], input=b"Count.\nAgain.\n", stdout=full, stderr=subprocess.PIPE, timeout=300)
            self.assertEqual(done.returncode, 1, command[0])
            self.assertRegex(done.stderr, rb"^hearth: error: No space left on device, stdout.*\n$")

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_an_error_takes_the_line_of_the_progress(self):
        text = SHARED / "data/text/wikitext2-valid.txt"
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            for command in (("quantize", SMOL, out, "--type", "Q3_K_M"), ("importance", SMOL, "--file", text, "--out", out, "--context", "64"),
                            ("prune", SMOL, out, "--calibration", text, "--context", "64")):
                _, shown = self.on_terminal(*command, until=b"1/")
                self.assertTrue(shown.endswith(b"\r\x1b[Khearth: error: interrupted\r\n"), shown[-80:])

    @unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
    def test_a_file_without_a_name_is_not_standard_input(self):
        for command in ("tokenize", "embed"):
            self.fails(1, command, SMOL, "--file", "", stdin="text", says="No such file")

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
        for option in ("--seed", "--top-k", "--temperature"):
            self.fails(2, "run", TINY, "x", option, "", says=f"{option}: an empty text is no number")
        self.fails(2, "quantize", TINY, "/tmp/out.gguf", "--threads", "0", says="--threads")
        self.fails(2, "run", TINY, "x", "--rope-factor", "0", says="--rope-factor: 0 is not more than 0")
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
        self.fails(1, "tokenize", TINY, "x", says="no tokenizer")
        self.fails(2, "logits", TINY, "--tokens", "1,x", says="--tokens")
        self.fails(2, "logits", TINY, "--tokens", "4000", says="4000")
        self.fails(2, "logits", TINY, "--tokens", "1,2", "--positions", "2", says="position 2")

if __name__ == "__main__":
    unittest.main(verbosity=1)
