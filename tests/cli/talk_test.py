#!/usr/bin/env python3
"""Answers: run and chat."""
import fcntl
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import unittest

from program import HEARTH, SMOL, Case, with_metadata, hearth


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Run(Case):
    def test_first_question(self):
        """What a newcomer asks. In float32 the answer's first token is likelier by 0.08 than the next one, a word in French: prompts that
        are rounded with less care than docs/performance.md says (Exactness) fall on its other side."""
        self.assertEqual(self.works("run", SMOL, "What is the capital of France?", "--temperature", "0", "-n", "20").strip(), "The capital of France is Paris.")

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

    def test_an_option_takes_its_own_value_alone(self):
        with tempfile.NamedTemporaryFile("w", suffix=".gbnf") as grammar:
            grammar.write('root ::= "one [END] two END"')
            grammar.flush()
            answers = [json.loads(self.works("run", SMOL, "--json", "--grammar", grammar.name, *some)) for some in
                       (("Hi", "--stop", "[END]", "--stop", "x"), ("--stop", "x", "--stop", "[END]", "Hi"))]
        for answer in answers:
            self.assertEqual((answer["text"], answer["stop_string"]), ("one ", "[END]"))
        self.assertEqual(answers[0]["usage"]["prompt_tokens"], answers[1]["usage"]["prompt_tokens"])

    def test_a_message_is_the_same_from_standard_input(self):
        count = lambda *some, **stdin: json.loads(self.works("run", SMOL, "-n", "1", "--json", *some, **stdin))["usage"]["prompt_tokens"]
        for end in ("", "\n", "\r\n"):
            self.assertEqual(count(stdin="Say hello." + end), count("Say hello."))
        self.assertNotEqual(count("--raw", stdin="Say hello.\n"), count("Say hello.", "--raw"))  # as it stands

    def test_no_prompt_is_ended(self):
        with tempfile.TemporaryDirectory() as folder:  # what its training asked for is not for what an answer follows
            path = pathlib.Path(folder) / "ends.gguf"
            path.write_bytes(with_metadata(SMOL.read_bytes(), "tokenizer.ggml.add_eos_token", 7, b"\1"))
            for raw in ((), ("--raw",)):
                answers = [json.loads(self.works("run", model, "The capital of France is", "--temperature", "0", "-n", "4", "--json", *raw))
                           for model in (SMOL, path)]
                self.assertEqual(answers[0]["tokens"], answers[1]["tokens"])

    def test_levels_agree(self):
        answers = {level: self.works("run", SMOL, "Once upon a time", "--raw", "--temperature", "0", "-n", "6", env={"HEARTH_CPU": level})
                   for level in ("generic", "avx2")}
        self.assertEqual(len(set(answers.values())), 1, answers)

    def test_schema(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as schema:
            schema.write('{"type":"object","properties":{"name":{"type":"string","maxLength":20},"age":{"type":"integer"}},'
                         '"required":["name","age"],"additionalProperties":false}')
            schema.flush()
            answer = json.loads(self.works("run", SMOL, "Describe a person.", "--json-schema", schema.name, "--seed", "3"))
        self.assertIsInstance(answer["age"], int)

    def test_bad_prompts(self):
        self.fails(1, "run", SMOL, stdin=b"\xff\xfe not text", says="UTF-8")
        self.fails(1, "run", SMOL, "x", "--system", b"\xff", says="the system message is not valid UTF-8")
        self.fails(1, "chat", SMOL, "--system", b"\xff", says="the system message is not valid UTF-8")
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


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Chat(Case):
    def test_chat_answers_each_line(self):
        out = self.works("chat", SMOL, "--temperature", "0", "-n", "16", stdin="Say hello.\n\nSay it again.\n")
        self.assertGreaterEqual(len(out.strip().splitlines()), 2)

    def test_ctrl_c_ends_a_chat_without_a_terminal(self):
        endless = [HEARTH, "chat", SMOL, "--logit-bias", "2=-inf", "--logit-bias", "0=-inf", "--context-shift"]
        child = subprocess.Popen(endless, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdin.write(b"Count.\nAgain.\n")
        child.stdin.flush()
        child.stdout.read(1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=300)
        self.assertEqual((child.returncode, err), (1, b"hearth: error: interrupted\n"))

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

    def test_raw_lines_go_on_with_the_text(self):
        ask = ("--raw", "--temperature", "0", "-n", "6", "--json")
        one, two = (json.loads(line) for line in self.works("chat", SMOL, *ask, stdin="The capital of France is\n and of Spain\n").splitlines())
        alone = json.loads(self.works("run", SMOL, "The capital of France is", *ask))
        self.assertEqual(one["text"], alone["text"])
        known = alone["usage"]["prompt_tokens"] + len(one["tokens"])  # all of the first line and its answer is still there
        self.assertEqual(two["usage"]["prompt_tokens"], known + 3)
        self.fails(2, "chat", SMOL, "--raw", "--system", "Be brief.", says="--raw")

    def test_raw_lines_go_on_beyond_a_full_context(self):
        ask = ("chat", SMOL, "--raw", "--temperature", "0", "-n", "24", "--context", "32", "--json")
        lines = "Once upon a time\nand\nand\nand\n"
        self.assertIn("the context holds 32", hearth(*ask, stdin=lines)[2])
        answers = [json.loads(line) for line in self.works(*ask, "--context-shift", stdin=lines).splitlines()]
        self.assertEqual([answer["usage"]["prompt_tokens"] for answer in answers[2:]], [4 + 16] * 2)  # its first and its newer half

    def test_lines_may_end_with_crlf(self):
        unix, dos = (json.loads(self.works("chat", SMOL, "-n", "1", "--json", stdin="Hi" + end)) for end in ("\n", "\r\n"))
        self.assertEqual(unix["usage"], dos["usage"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
