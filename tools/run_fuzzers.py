#!/usr/bin/env python3
"""Runs every libFuzzer target of a build folder over its seed corpus, then for some seconds more.

    run_fuzzers.py BUILD [--seconds N] [NAME...]

Seeds: tests/fuzz/corpus/NAME (NAME without _fuzz). What a run finds that is new stays in BUILD/corpus.
"""
import argparse
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--seconds", type=int, default=10)
parser.add_argument("names", nargs="*")
options = parser.parse_intermixed_args()  # names may stand after --seconds

targets = sorted(p for p in (options.build / "tests").glob("*_fuzz") if p.is_file())
if options.names:
    targets = [t for t in targets if t.name.removesuffix("_fuzz") in options.names]
if not targets:
    sys.exit(f"no fuzz targets in {options.build}/tests")
failed = 0
for target in targets:
    name = target.name.removesuffix("_fuzz")
    grown = options.build / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    seeds = root / "tests/fuzz/corpus" / name
    command = [target, f"-max_total_time={options.seconds}", "-timeout=60", "-rss_limit_mb=2048", "-max_len=65536",
               f"-artifact_prefix={options.build}/", "-print_final_stats=1", grown]
    if seeds.is_dir():
        command.append(seeds)
    done = subprocess.run(command, capture_output=True, text=True)
    runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    print(f"fuzz {name}: {'ok' if done.returncode == 0 else 'FAILED'}, {runs[0] if runs else '?'} runs")
    if done.returncode != 0:
        failed += 1
        print(done.stderr[-4000:])
sys.exit(1 if failed else 0)
