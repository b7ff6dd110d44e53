#!/usr/bin/env python3
"""What a model is measured by: perplexity, evaluate, bench."""
import json
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

from program import HEARTH, SHARED, SMOL, Case, hearth, killed_while_writing


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Perplexity(Case):
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


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Evaluate(Case):
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

    def test_evaluate_keeps_what_another_run_finished(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.json"
            part = pathlib.Path(f"{out}.part")
            evaluate = [HEARTH, "evaluate", SMOL, "--data", SHARED / "data/eval", "--out", out, "--json", "--tasks"]
            first = [*evaluate, "openbookqa", "--limit", "16", "--batch", "2"]
            killed_while_writing(first, 1500)
            finished = part.read_text()
            for options in (("--cache-type", "q8_0"), ("--context", "512"), ("--rope-base", "5000")):
                self.fails(1, *evaluate[1:], "piqa", "--limit", "1", *options, says=f"of another run, or something else, {part}")
                self.assertEqual(part.read_text(), finished)
            status, _, err = hearth(*evaluate[1:], "piqa", "--limit", "1")
            self.assertEqual(status, 0, err)
            self.assertIn(f"finished rows that this run does not have stay in {part}", err)
            result = json.loads(self.works(*first[1:]))
            self.assertEqual(result["rows"]["kept"], finished.count("\n") - 1)

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
            self.fails(2, *command[1:], out, "--items", f"{folder}/../{pathlib.Path(folder).name}/out.json", says="one file")

    def test_evaluate_bad_input(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            self.fails(1, "evaluate", SMOL, "--data", folder, says=str(folder))
            self.fails(1, "evaluate", SMOL, "--data", "/nowhere", says="/nowhere")
            self.fails(2, "evaluate", SMOL, "--data", folder, "--tasks", "flying", says="flying")
            (folder / "piqa.jsonl").write_text('{"goal": "g", "choices": ["a", "b"], "gold": 0}\n{"goal": "g", "choices": ["a", "b"]}\n')
            self.fails(1, "evaluate", SMOL, "--data", folder, says='"gold" is missing, ' + str(folder / "piqa.jsonl") + " row 2")
            (folder / "piqa.jsonl").write_text('{"goal": "g", "choices": ["a", "b"], "gold": 0}\n')
            model = folder / "model.gguf"
            shutil.copy(SMOL, model)
            for option in "--out", "--items":
                for taken in folder / "piqa.jsonl", model:
                    self.fails(2, "evaluate", model, "--data", folder, option, taken, says=f"the input itself, {taken}")
            (folder / "mine.json").write_text('{"task": "mine"}')
            self.fails(1, "evaluate", SMOL, "--data", folder, "--task-file", folder / "mine.json", says="mine.json")


@unittest.skipUnless(SMOL.exists(), "needs SmolLM2 (make models)")
class Bench(Case):
    def test_bench(self):
        results = json.loads(self.works("bench", SMOL, "-p", "16", "-n", "4", "--repeat", "1", "--json"))["results"]
        self.assertEqual([r["test"] for r in results], ["pp16", "tg4"])
        self.assertTrue(all(0 < r["bandwidth_share"] and 0 < r["arithmetic_share"] for r in results), results)
        results = json.loads(self.works("bench", SMOL, "-p", "0", "-n", "4", "--depth", "8", "--batch", "3", "--repeat", "1", "--json"))["results"]
        self.assertEqual([r["test"] for r in results], ["tg4 @ d8 x3"])
        out, _ = self.on_terminal("bench", SMOL, "-p", "4", "-n", "2", "--repeat", "1000", "--json", until=b"pp4 3/")
        pp4 = json.loads(out)["results"][0]  # what finished before Ctrl-C
        self.assertEqual(pp4["test"], "pp4")
        self.assertGreaterEqual(len(pp4["runs"]), 2)
        self.fails(1, "bench", SMOL, "--depth", "18446744073709551615", says="context")

if __name__ == "__main__":
    unittest.main(verbosity=1)
