#!/usr/bin/env python3
"""What compressing a model costs it, by our methods and by llama-quantize, judged by us and by llama-perplexity: a Markdown table.

    compression.py F16.gguf --text WIKITEXT                 every type and method: an hour or two
    compression.py F16.gguf --text WIKITEXT --types Q4_0 --methods nearest,importance

The first --chunks chunks of the text are measured; what comes after the first --apart bytes is calibrated on. llama-quantize uses the
importance file that `hearth importance` writes. The peer's tools are those that `make bench-peers` builds. Files that are there are kept
and not made again.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TYPES = ["Q4_0", "IQ4_NL", "Q4_K_M", "Q3_K_M", "Q2_K"]
METHODS = ["nearest", "importance", "feedback", "selection"]


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout + done.stderr


def make(path, *command):
    """Seconds it took, or None where the file was there."""
    if path.exists():
        return None
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--apart", type=int, default=60389, help="bytes of the text that are not calibrated on")
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--hearth", type=pathlib.Path, default=ROOT / "build/release/hearth")
    parser.add_argument("--peer", type=pathlib.Path, default=pathlib.Path.home() / ".cache/hearth/peers/llama.cpp-avx2/bin")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/hearth-compression"))
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    calibration, importance = work / "calibration.txt", work / "importance.gguf"
    calibration.write_bytes(options.text.read_bytes()[options.apart:])
    make(importance, options.hearth, "importance", options.model, "--file", calibration, "--chunks", 40, "--out", importance)

    def judged(path):
        ours = run(options.hearth, "perplexity", path, "--file", options.text, "--context", 512, "--chunks", options.chunks)
        theirs = run(options.peer / "llama-perplexity", "-m", path, "-f", options.text, "-c", 512, "--chunks", options.chunks)
        return (float(re.search(r"perplexity ([\d.]+)", ours)[1]), float(re.search(r"Final estimate: PPL = ([\d.]+)", theirs)[1]))

    print("| type | method | MB | seconds | perplexity | by llama-perplexity |\n|---|---|---:|---:|---:|---:|", flush=True)

    def row(kind, method, path, seconds):
        ours, theirs = judged(path)
        took = f"{seconds:.0f}" if seconds else "-"
        print(f"| {kind} | {method} | {path.stat().st_size / 1e6:.1f} | {took} | {ours:.3f} | {theirs:.3f} |", flush=True)

    row("as it is", "", options.model, None)
    for kind in options.types.split(","):
        for method in options.methods.split(","):
            path = work / f"{kind}-{method}.gguf"
            given = {"nearest": [], "importance": ["--importance", importance]}.get(method, ["--calibration", calibration])
            row(kind, method, path, make(path, options.hearth, "quantize", options.model, path, "--type", kind, "--method", method, *given))
        for name, given in (("llama-quantize", []), ("llama-quantize, importance", ["--imatrix", importance])):
            path = work / f"{kind}-{name.replace(', ', '-')}.gguf"
            row(kind, name, path, make(path, options.peer / "llama-quantize", *given, options.model, path, kind, 2))


if __name__ == "__main__":
    main()
