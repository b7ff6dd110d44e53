#!/usr/bin/env python3
"""What is looked at without an answer: inspect, tokenize, template, logits, embed."""
import json
import pathlib
import tempfile
import unittest

from program import MINILM, SHARED, SMOL, TINY, Case, hearth


@unittest.skipUnless(SHARED.exists(), "needs ../shared, which is absent")
class Logits(Case):
    def test_logits(self):
        rows = json.loads(self.works("logits", TINY, "--tokens", "86,102,5", "--positions", "0,2"))["logits"]
        self.assertEqual(sorted(rows), ["0", "2"])
        self.assertEqual(len(rows["0"]), 128)

    def test_levels(self):
        self.fails(2, "logits", TINY, "--tokens", "1", env={"HEARTH_CPU": "pentium"}, says="pentium")
        self.works("logits", TINY, "--tokens", "1", env={"HEARTH_CPU": "generic"})


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class RealModel(Case):
    def test_inspect(self):
        document = json.loads(self.works("inspect", SMOL, "--tensors", "--json"))
        self.assertEqual(document["metadata"]["general.architecture"], "llama")
        self.assertEqual(len(document["tensors"]), document["tensor_count"])

    def test_tokenize_keeps_bytes(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write("a\n".encode())
            file.flush()
            with_newline = json.loads(self.works("tokenize", SMOL, "--file", file.name, "--json"))
        self.assertEqual(len(json.loads(self.works("tokenize", SMOL, "a", "--json"))) + 1, len(with_newline))


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
            self.fails(2, *render, "--now", "99999999999999999", says="--now")  # years that no calendar shows
            context.write_text("[]")
            self.fails(1, *render, says="context.json")


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
            texts.write_text("a text like others\n" * 3000)
            for line in self.interrupted("embed", encoder, "--file", texts).splitlines():
                self.assertEqual(len(json.loads(line)["embedding"]), 384)
            self.fails(1, "embed", encoder, "--file", "-", stdin=b"a\n\xff\n", says="text 1")
            self.fails(1, "run", encoder, "Hi.", says="an encoder and writes no text")

if __name__ == "__main__":
    unittest.main(verbosity=1)
