#!/usr/bin/env python3
"""rounds.py MODEL [TOKENS] [ROUNDS]: every language once a round, each round beginning with another one, so that what
the machine's neighbours do meets all of them alike. Prints for each the median, its share of `hearth bench`'s and
what a token costs above the bench's, which a tiny model shows best (build/conformance/tiny.gguf, 400 tokens); figures are added to build/speed/rounds.jsonl and all of a model's and length's count."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

model, tokens, rounds = sys.argv[1], *(sys.argv[2:] + ["96", "5"][len(sys.argv) - 2:])
root = pathlib.Path.cwd()
out, java = root / "build/speed", root / "bindings/java/target"
programs = {
    "hearth bench": ["build/release/hearth", "bench", model, "-p", "0", "-n", tokens, "--repeat", "3", "--json"],
    "C": [out / "speed", model, tokens],
    "Python": ["python3", "bench/bindings/speed.py", model, tokens],
    "TypeScript": ["node", out / "speed.mjs", model, tokens],
    "Go": [out / "speed-go", model, tokens],
    "C#": ["mono", out / "Speed.exe", model, tokens],
    "Java": ["java", "-cp", f"{out}:{java / 'openhearth-0.1.0.jar'}:{java / 'dependency'}/*", "Speed", model, tokens],
}
names = list(programs)
kept = out / "rounds.jsonl"
for number in range(int(rounds)):
    speeds = {}
    for name in names[number % len(names):] + names[:number % len(names)]:
        said = subprocess.run(list(map(str, programs[name])), check=True, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": "bindings/python"}).stdout
        # The best of three answers, as the others take it.
        speeds[name] = max(json.loads(said)["results"][0]["runs"]) if name == "hearth bench" else float(said)
    with kept.open("a") as file:
        file.write(json.dumps({"model": model, "tokens": tokens, "speeds": speeds}) + "\n")
    print(" ".join(f"{speeds[name]:.1f}" for name in names), flush=True)
all_rounds = [row["speeds"] for row in map(json.loads, kept.read_text().splitlines()) if (row["model"], row["tokens"]) == (model, tokens)]
print(f"{len(all_rounds)} rounds of {tokens} tokens: medians, share of the bench's, microseconds a token above it")
bench = statistics.median(row["hearth bench"] for row in all_rounds)
for name in names:
    middle = statistics.median(row[name] for row in all_rounds)
    print(f"{name:12} {middle:8.1f} {100 * middle / bench:6.1f} % {1e6 / middle - 1e6 / bench:8.1f}")
