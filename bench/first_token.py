#!/usr/bin/env python3
"""How long `hearth run` takes from its start to the first byte of its answer, with a warm model: milliseconds, medians, programs in turn.

    build/release/bench/random_model 1b.gguf --type Q4_0 --tokenizer-of SmolLM2-135M-Instruct.Q4_1.gguf
    first_token.py 1b.gguf build/release/hearth [OTHER ...] [--rounds 9]         HEARTH_CPU=avx2 forces a level
"""
import argparse
import statistics
import subprocess
import time

PROMPTS = "Hello", "What is the capital of France?"


def first_byte(program, model, prompt):
    start = time.perf_counter()
    with subprocess.Popen([program, "run", "-n", "4", "--temperature", "0", model, prompt], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, bufsize=0) as process:
        if not process.stdout.read(1):
            raise SystemExit(f"{program} answered nothing")
        elapsed = time.perf_counter() - start
        process.stdout.read()
    return 1000 * elapsed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    for prompt in PROMPTS:
        rounds = [[first_byte(program, options.model, prompt) for program in options.programs] for _ in range(options.rounds)]
        for program, times in zip(options.programs, zip(*rounds)):
            print(f"{prompt}: {program} {statistics.median(times):.0f} ms ({', '.join(f'{t:.0f}' for t in times)})")


if __name__ == "__main__":
    main()
