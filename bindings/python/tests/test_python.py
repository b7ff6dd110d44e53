"""What is Python's own: iterators, event loops, exceptions, collection, the gpt4all classes, the command line, the package."""
import asyncio
import contextlib
import copy
import gc
import importlib.metadata
import io
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

import openhearth
from conformance import FOLDER, open_model, path
from openhearth import gpt4all

GREEDY = {"temperature": 0, "ignore_end": True}
HERE = pathlib.Path(__file__).resolve().parents[1]


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = open_model("tiny")

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def setUp(self):
        self.session = self.model.session()
        self.addCleanup(self.session.close)

    def test_pieces_are_the_answer(self):
        stream = self.session.stream_complete("the low", max_tokens=12, **GREEDY)
        self.assertIsNone(stream.result)
        text = "".join(stream)
        self.assertEqual(text, stream.result.text)
        self.assertEqual(text, self.session.complete("the low", max_tokens=12, **GREEDY).text)
        self.assertEqual(list(stream), [])

    def test_two_readers_come_to_the_end(self):
        stream = self.session.stream_complete("the low", max_tokens=50, **GREEDY)
        read = [[], []]
        threads = [threading.Thread(target=lambda own=own: own.extend(stream)) for own in read]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len("".join(read[0] + read[1])), len(stream.result.text))

        async def both():
            stream = self.session.stream_complete("the low", max_tokens=50, **GREEDY)

            async def pieces():
                return [piece async for piece in stream]

            one, other = await asyncio.gather(pieces(), pieces())
            self.assertEqual(len("".join(one + other)), len(stream.result.text))

        asyncio.run(both())

    def test_leaving_early_stops_the_model(self):
        for leave in (lambda stream: stream.close(), lambda stream: stream.__exit__(None, None, None), lambda stream: stream.cancel()):
            stream = self.session.stream_complete("the low", **GREEDY)
            next(stream)
            leave(stream)
            del stream
            gc.collect()
            self.wait_until_free()

    def test_a_dropped_stream_stops(self):
        for _ in self.session.stream_complete("the low", **GREEDY):
            break
        gc.collect()
        self.wait_until_free()

    def endless(self):
        """A session whose answer does not end before it is stopped."""
        model = open_model("tiny", context_length=500000)
        self.addCleanup(model.close)
        session = model.session()
        self.addCleanup(session.close)
        return session

    def test_a_left_stream_is_not_in_the_way(self):
        session = self.endless()

        async def talk():
            async for _ in session.stream_complete("the low", **GREEDY):
                break
            await session.acomplete("the low", max_tokens=2, **GREEDY)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(session.acomplete("the low", **GREEDY), 0.05)
            await session.acomplete("the low", max_tokens=2, **GREEDY)

        for _ in session.stream_complete("the low", **GREEDY):
            break
        session.complete("the low", max_tokens=2, **GREEDY)
        for _ in session.stream_complete("the low", **GREEDY):
            break
        self.assertEqual(session.messages, [])
        asyncio.run(talk())

    def test_ctrl_c_stops_a_call(self):
        script = ("import signal, sys; sys.path.insert(0, sys.argv[1]); from conformance import open_model\n"
                  "signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us in the background ignores it\n"
                  "session = open_model('tiny', context_length=500000).session()\n"
                  "print('begins', flush=True)\n"
                  "session.complete('the low', temperature=0, ignore_end=True)\n")
        child = subprocess.Popen([sys.executable, "-c", script, str(pathlib.Path(__file__).parent)], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        self.addCleanup(child.kill)
        self.assertIn(b"KeyboardInterrupt", child.communicate(timeout=60)[1])

    @unittest.skipUnless(hasattr(os, "fork"), "this system has no fork")
    def test_a_forked_process_opens_its_own(self):
        self.session.complete("the low", max_tokens=2, **GREEDY)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with self.assertRaisesRegex(openhearth.UsageError, "forked"):
                    self.session.complete("the low")
                self.session.close()
                with open_model("tiny") as model, model.session() as session:
                    session.complete("the low", max_tokens=2, **GREEDY)
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def wait_until_free(self):
        until = time.monotonic() + 100
        while self.session.busy:
            self.assertLess(time.monotonic(), until, "the generation goes on")
            time.sleep(0.01)

    def test_what_fails_is_raised_by_the_iteration(self):
        self.session.close()
        with self.assertRaises(openhearth.ClosedError):
            list(self.session.stream_complete("the low"))
        with self.assertRaises(TypeError):  # at once
            self.session.stream_complete("the low", top_pp=1)

    def test_a_callback_that_raises(self):
        class Mine(Exception):
            pass

        heard = []

        def mine(said):
            heard.append(said)
            raise Mine

        async def of_no_use(_):
            pass

        calls = [lambda hear: self.session.complete("the low", on_piece=hear, **GREEDY),
                 lambda hear: list(self.session.stream_complete("the low", on_piece=hear, **GREEDY)),
                 lambda hear: asyncio.run(self.session.acomplete("the low", on_piece=hear, **GREEDY)),
                 lambda hear: open_model("tiny", on_progress=hear)]
        for call in calls:
            with self.assertRaises(Mine):
                call(mine)
            self.assertEqual(len(heard), 1)
            heard.clear()
            with self.assertRaisesRegex(TypeError, "async"):
                call(of_no_use)
            self.assertEqual(len(self.session.complete("the low", max_tokens=3, **GREEDY).tokens), 3)

    def test_async(self):
        async def talk():
            pieces = [piece async for piece in self.session.stream_complete("the low", max_tokens=12, **GREEDY)]
            result = await self.session.acomplete("the low", max_tokens=12, **GREEDY)
            return "".join(pieces), result.text

        streamed, whole = asyncio.run(talk())
        self.assertEqual(streamed, whole)

    def test_async_many(self):
        async def talk():
            sessions = [self.model.session() for _ in range(3)]
            return await asyncio.gather(*(one.acomplete("the low", max_tokens=100, **GREEDY) for one in sessions))

        self.assertEqual(len({result.text for result in asyncio.run(talk())}), 1)

    def test_the_loop_goes_on_and_a_cancelled_task_stops_the_model(self):
        model = open_model("tiny", context_length=500000)  # an answer that does not end before it is cancelled
        self.addCleanup(model.close)
        self.session = model.session()
        self.addCleanup(self.session.close)

        async def talk():
            task = asyncio.ensure_future(self.session.acomplete("the low", **GREEDY))
            await asyncio.sleep(0.05)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(talk())
        self.wait_until_free()

    def test_the_end_of_the_process_does_not_wait(self):
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from conformance import open_model\n"
                  "session = open_model('tiny', context_length=500000).session()\n"
                  "stream = session.stream_complete('the low', temperature=0, ignore_end=True); next(stream)\n")
        done = subprocess.run([sys.executable, "-c", script, str(pathlib.Path(__file__).parent)], timeout=100, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


class Values(unittest.TestCase):
    def test_closed_and_collected(self):
        model = open_model("tiny")
        session = model.session()
        self.assertFalse(model.closed or session.closed)
        with model, session:
            pass
        self.assertTrue(model.closed and session.closed)
        with self.assertRaises(openhearth.ClosedError):
            model.info
        model.close()

    def test_wrong_values(self):
        with open_model("tiny") as model, model.session() as session:
            for options in ({"max_tokens": -1}, {"max_tokens": 2**32}, {"top_k": 2**31}, {"seed": -1}, {"stop": ["a\0b"]}):
                with self.assertRaises(openhearth.HearthError):
                    session.complete("x", **options)
            for options in ({"max_tokens": "4"}, {"temperature": "hot"}, {"stop": [4]}, {"struct_size": 4}):
                with self.assertRaises(TypeError):
                    session.complete("x", **options)
            with self.assertRaises(openhearth.BadInputError):
                session.complete("\ud800")
            for wrong in (lambda: model.tokenize(b"bytes"), lambda: session.complete(b"bytes"), lambda: pickle.dumps(model),
                          lambda: copy.copy(session), lambda: session.complete("x", cancellation=4)):
                with self.assertRaises(TypeError):
                    wrong()
            with self.assertRaises(openhearth.BadInputError):
                model.adapter("a\0b")
            with self.assertRaises(ValueError):
                open_model("tiny", cache_type="f64")

    def test_errors_are_of_their_kinds(self):
        with self.assertRaises(openhearth.NotFoundError) as caught:
            open_model("absent")
        self.assertEqual(caught.exception.status, "not_found")
        self.assertIn("absent.gguf", str(caught.exception))

    def test_numpy_or_lists(self):
        with open_model("tiny-encoder") as model:
            lists = model.embed(["the cat", "a dog"], numpy=False)
            self.assertEqual((len(lists), len(lists[0])), (2, 32))
            try:
                import numpy
            except ImportError:
                return
            array = model.embed(["the cat", "a dog"])
            self.assertEqual((array.shape, array.dtype), ((2, 32), numpy.float32))
            self.assertTrue(numpy.allclose(array, lists))
            self.assertEqual(model.embed("the cat").shape, (32,))
            self.assertEqual(model.embed([]).shape, (0, 32))

    def test_two_threads_one_session(self):
        with open_model("tiny") as model, model.session() as session:
            begun = threading.Event()
            thread = threading.Thread(target=lambda: session.complete("the low", on_piece=lambda _: begun.set(), **GREEDY))
            thread.start()
            begun.wait()
            try:
                with self.assertRaises(openhearth.BusyError):
                    session.complete("x")
            finally:
                session.cancel()
                thread.join()


class Interpreters(unittest.TestCase):
    def test_a_second_interpreter(self):
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            self.skipTest("this Python has no module for it")
        ask = "session.complete('the low', temperature=0, max_tokens=2)"
        with open_model("tiny") as model, model.session() as session:
            one = interpreters.create()
            interpreters.run_string(one, f"import sys; sys.path[:0] = {sys.path!r}\nimport openhearth\n"
                                         f"with openhearth.Model({str(path('tiny'))!r}) as model, model.session() as session: {ask}")
            interpreters.destroy(one)
            eval(ask)


class GPT4AllScripts(unittest.TestCase):
    """The examples of gpt4all's documentation, with a local model."""

    def open(self, **options):
        model = gpt4all.GPT4All("smollm2", model_path=FOLDER, **options)
        self.addCleanup(model.close)
        return model

    def test_chat_session(self):
        model = self.open(n_threads=2)
        with model.chat_session():
            first = model.generate(prompt="hello", temp=0, max_tokens=12)
            second = model.generate(prompt="write me a short poem", temp=0, max_tokens=12)
            roles = [message["role"] for message in model.current_chat_session]
            self.assertEqual(roles, ["user", "assistant", "user", "assistant"])
            self.assertEqual(model.current_chat_session[1]["content"], first)
            self.assertEqual(model.current_chat_session[3]["content"], second)
            model.current_chat_session = model.current_chat_session[:2]
            self.assertEqual(len(model.current_chat_session), 2)
        self.assertIsNone(model.current_chat_session)

    def test_both_shapes_of_sessions(self):
        model = self.open()
        with model.chat_session("You are a pirate.", "<|im_start|>user\n{0}<|im_end|>\n<|im_start|>assistant\n{1}<|im_end|>\n"):
            legacy = model.generate("Hi", temp=0, max_tokens=4)
            self.assertEqual(model.current_chat_session[0], {"role": "system", "content": "You are a pirate."})
        with model.chat_session(system_prompt="", prompt_template="### Human:\n%1\n### Assistant:\n"):
            self.assertTrue(model.generate("Hi", temp=0, max_tokens=4))
        template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
        with model.chat_session(system_message="You are a pirate.", chat_template=template):
            self.assertTrue(model.generate("Hi", temp=0, max_tokens=4))
        with model.chat_session(False):
            self.assertEqual(model.current_chat_session, [])
        self.assertTrue(legacy)
        with self.assertRaises(ValueError), model.chat_session("", "no place for it"):
            pass

    def seen_by(self, model):
        """The texts that the model sees, from now on."""
        seen, answer = [], model._answer

        def listen(prompt, *rest):
            is_text, is_messages = isinstance(prompt, str), isinstance(prompt[0], dict)
            seen.append(prompt if is_text else model.model.render_chat(prompt) if is_messages else model.model.detokenize(prompt, special=True))
            return answer(prompt, *rest)

        model._answer = listen
        return seen

    def test_legacy_templates_as_2_8_2_fills_them(self):
        model = self.open()
        seen = self.seen_by(model)
        for template, whole in (("U: {0}\nA: ", "Rules.\nU: a\nA: {}\n\nU: b\nA: "), ("U: {0}\nA: {1}", "Rules.\nU: a\nA: {}U: b\nA: ")):
            with model.chat_session("Rules.\n", template):
                first = model.generate("a", temp=0, max_tokens=2)
                model.generate("b", temp=0, max_tokens=2)
            self.assertEqual(seen[-1], whole.format(first))

    def test_an_answer_ends_where_the_next_turn_begins(self):
        turn = "### Human:\nSay hello.\n\n### Assistant:\nHello.\n\n"
        heard = []
        text = self.open().generate(turn * 4 + "### Human:\nSay hello.\n\n### Assistant:\n", temp=0, repeat_penalty=1, max_tokens=40,
                                    callback=lambda token, piece: heard.append(piece))
        self.assertEqual(text.strip(), "Hello.")
        self.assertEqual("".join(heard), text)

    def test_a_conversation_beyond_the_context(self):
        model = self.open(n_ctx=128)
        seen = self.seen_by(model)
        for template in (None, "Q: {0}\nA: {1}\n", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"):
            with model.chat_session("You are a pirate.", template):
                for turn in range(1, 8):
                    last = [message["content"] for message in model.current_chat_session][-2:]
                    question = f"Tell me of the sea, of ships and of the gold you found, {turn}."
                    self.assertTrue(model.generate(question, temp=0, max_tokens=12))
                    self.assertEqual(len(model.current_chat_session), 1 + 2 * turn)
                    for text in ("You are a pirate.", *last, question):
                        self.assertIn(text, seen[-1])
                self.assertNotIn("found, 1.", seen[-1])
                with self.assertRaises(openhearth.TooLongError):
                    model.generate("sea " * 200)
                self.assertEqual(len(model.current_chat_session), 15)

    def test_what_is_forgotten(self):
        model = self.open(n_ctx=128)
        seen = self.seen_by(model)

        def fail(token_id, response):
            raise KeyError

        with model.chat_session("You are a pirate."):
            model.generate("I am Ahab.", temp=0, max_tokens=2)
            for options in ({}, {"streaming": True}):
                with self.assertRaises(KeyError):
                    list(model.generate("sea " * 62, temp=0, callback=fail, **options))
                self.assertNotIn("Ahab", seen[-1])
                model.generate("Who?", temp=0, max_tokens=2)  # nothing, after what failed
                self.assertIn("Ahab", seen[-1])
                model.current_chat_session = model.current_chat_session[:3]
            model.generate("sea " * 65, temp=0, max_tokens=2)  # a short answer needs no more than its room
            self.assertIn("Ahab", seen[-1])

    def test_own_template_is_the_model_s(self):
        model = self.open()
        with model.chat_session("You are a helpful assistant."):
            text = model.generate("What is the capital of France?", temp=0, top_k=1, repeat_penalty=1.0, max_tokens=12)
        with model.model.session(system="You are a helpful assistant.") as session:
            self.assertEqual(text, session.say("What is the capital of France?", temperature=0, max_tokens=12).text)

    def test_streaming(self):
        model = self.open()
        tokens = []
        for token in model.generate("The capital of France is", max_tokens=8, temp=0, streaming=True):
            tokens.append(token)
        self.assertEqual("".join(tokens), model.generate("The capital of France is", max_tokens=8, temp=0))
        with model.chat_session():
            stream = model.generate("hello", temp=0, streaming=True)
            next(stream)
            stream.close()
            self.assertEqual(len(model.current_chat_session), 2)
            self.assertTrue(model.generate("hello", temp=0, max_tokens=2))

    def test_no_tokens(self):
        model = self.open()
        heard = lambda *_: self.fail("a piece came")
        for none in ({"max_tokens": 0}, {"max_tokens": -1}, {"n_predict": 0}):
            self.assertEqual(model.generate("The capital of France is", callback=heard, **none), "")
            self.assertEqual(list(model.generate("The capital of France is", callback=heard, streaming=True, **none)), [])
        with model.chat_session():
            self.assertEqual(model.generate("hello", max_tokens=0), "")
            self.assertEqual(model.current_chat_session[1], {"role": "assistant", "content": ""})
            self.assertTrue(model.generate("hello", temp=0, max_tokens=2))

    def test_callback(self):
        model = self.open()
        heard = []

        def stop_on_third(token_id, token_string):
            heard.append((token_id, token_string))
            return len(heard) < 3

        text = model.generate("The capital of France is", temp=0, callback=stop_on_third)
        self.assertEqual(len(heard), 3)
        self.assertIsInstance(heard[0][0], int)
        self.assertTrue(text.startswith("".join(piece for _, piece in heard[:2])))
        self.assertTrue(model.generate("The capital of France is", temp=0, max_tokens=2, callback=None))
        with model.chat_session(model.config["systemPrompt"], model.config["promptTemplate"]):
            self.assertTrue(model.generate("hello", temp=0, max_tokens=2))

    def test_what_follows_later(self):
        for call in (gpt4all.GPT4All.list_models, lambda: gpt4all.GPT4All.download_model("x.gguf", FOLDER)):
            with self.assertRaisesRegex(NotImplementedError, "gallery"):
                call()
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.gguf"):
            gpt4all.GPT4All("nowhere", model_path=FOLDER)
        self.assertEqual(gpt4all.GPT4All.list_gpus(), [])

    def test_embed4all(self):
        with gpt4all.Embed4All("tiny-encoder", model_path=FOLDER) as embedder:
            output = embedder.embed("the cat sat on the mat")
            self.assertEqual(len(output), 32)
            self.assertIsInstance(output, list)
            self.assertAlmostEqual(sum(number * number for number in output), 1, 4)
            several = embedder.embed(["the cat", "a dog"], return_dict=True)
            self.assertEqual((len(several["embeddings"]), several["n_prompt_tokens"]), (2, 8))
            self.assertEqual(len(embedder.embed("cat " * 2000)), 32)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.assertEqual(len(embedder.embed("x", dimensionality=16)), 16)
            self.assertEqual(len(caught), 1)
            with self.assertRaises(gpt4all.CancellationError):
                embedder.embed("x", cancel_cb=lambda sizes, backend: True)
            for wrong in ({"long_text_mode": "middle"}, {"atlas": True}):
                with self.assertRaises(ValueError):
                    embedder.embed("cat " * 9000, **wrong)
            for nothing in (None, "", []):
                with self.assertRaises(ValueError):
                    embedder.embed(nothing)
            self.assertEqual(len(embedder.embed("cat " * 9000, atlas=True, long_text_mode="truncate")), 32)


class CommandLine(unittest.TestCase):
    def run_it(self, *arguments):
        from openhearth.__main__ import main
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
        return status, out.getvalue(), err.getvalue()

    def test_commands(self):
        self.assertEqual(self.run_it("tokenize", path("tiny"), "the low")[0], 0)
        status, out, _ = self.run_it("run", path("tiny"), "the low", "-n", 4, "--temperature", 0, "--raw")
        self.assertTrue(status == 0 and out.endswith("\n"))
        self.assertIn('"context_length": 512', self.run_it("info", path("tiny"))[1])
        self.assertEqual(len(self.run_it("embed", path("tiny-encoder"), "the cat", "a dog")[1].splitlines()), 2)
        status, _, err = self.run_it("run", path("absent"), "x")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"^openhearth: error: .*absent\.gguf.*\n$")


    def test_a_reader_that_has_enough(self):
        command = [sys.executable, "-m", "openhearth", "info", str(path("smollm2"))]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        self.assertEqual((child.stderr.read(), child.wait()), (b"", 1))


class Package(unittest.TestCase):
    def test_pip_installs_what_runs_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            there = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", folder, str(HERE)],
                           check=True, env=there, stdout=sys.stderr)
            self.assertTrue((pathlib.Path(folder) / "openhearth/py.typed").exists())
            [package] = importlib.metadata.distributions(path=[folder])
            self.assertEqual(package.metadata["License"], "Apache-2.0")
            self.assertIn("Apache License", package.read_text("licenses/LICENSE"))
            self.assertIn("nlohmann/json", package.read_text("licenses/THIRD-PARTY"))
            done = subprocess.run([sys.executable, "-m", "openhearth", "tokenize", str(path("tiny")), "x"], cwd=folder, stdout=subprocess.PIPE,
                                  env={name: value for name, value in there.items() if name != "HEARTH_LIBRARY"}, check=True, text=True)
            self.assertRegex(done.stdout, r"^\[\d+, \d+\]\n$")

    def test_the_readme_s_example_runs_as_it_stands(self):
        text = (HERE / "README.md").read_text(encoding="utf-8")
        example = re.search(r"## Talk\n\n```python\n(.*?)```", text, re.S)[1]
        home = pathlib.Path(FOLDER, "home/.local/share/hearth/models")
        home.mkdir(parents=True, exist_ok=True)
        link = home / "SmolLM2-135M-Instruct.Q4_1.gguf"
        if not link.exists():
            link.symlink_to(path("smollm2").resolve())
        done = subprocess.run([sys.executable, "-c", example], stdout=subprocess.PIPE, check=True, text=True,
                              env={**os.environ, "HOME": str(pathlib.Path(FOLDER, "home"))})
        self.assertGreater(len(done.stdout), 20)  # what it says depends on roundings; that it talks does not


if __name__ == "__main__":
    unittest.main()
