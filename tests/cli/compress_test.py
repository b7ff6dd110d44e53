#!/usr/bin/env python3
"""Models made smaller: quantize, importance, prune, report."""
import json
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

from program import HEARTH, SHARED, SMOL, TINY, Case, killed_while_writing


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
        self.fails(2, *quantize, "--tensor-type", "norm=Q8_0", says="'norm' fits no tensor of the model that is compressed")
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
        self.fails(2, "importance", TINY, "--file", text, "--out", text, says="the input itself")
        self.fails(2, *quantize[:2], text, "--method", "feedback", "--calibration", text, says="the input itself")
        self.fails(2, "prune", TINY, text, "--calibration", text, says="the input itself")
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
            self.fails(1, "report", encoder, "--out", f"{folder}/out", "--methods", "q8_0", says=f"error: an encoder generates nothing, {encoder}")
            self.assertFalse((pathlib.Path(folder) / "out").exists())
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
