#!/usr/bin/env python3
"""What rounding of activations does to the next token after a prompt: KL divergence of each level of instructions from float32
(HEARTH_CPU=generic), the last place of prompts of some lengths, cut from a text.

    rounding.py build/release/hearth MODEL.gguf TEXT                                   short prompts
    rounding.py build/release/hearth MODEL.gguf TEXT --apart 512 --lengths 270,294,318,342,366,390,414,438,462,486,510 \\
        --levels avx2,avx_vnni,avx512_bf16,amx                                         long ones
"""
import argparse
import json
import math
import os
import statistics
import subprocess


def log_probabilities(program, model, tokens, level):
    done = subprocess.run([program, "logits", model, "--tokens", ",".join(tokens)], capture_output=True, text=True, check=True,
                          env={**os.environ, "HEARTH_CPU": level})
    (logits,) = json.loads(done.stdout)["logits"].values()
    most = max(logits)
    total = most + math.log(sum(math.exp(x - most) for x in logits))
    return [x - total for x in logits]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--lengths", default="35,43,51,59")
    parser.add_argument("--apart", type=int, default=64, help="tokens between two beginnings")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--levels", default="avx2,avx512_bf16,amx")
    options = parser.parse_args()
    with open(options.text, encoding="utf-8") as file:
        text = file.read(12000)
    shown = subprocess.run([options.program, "tokenize", options.model, text, "--json"], capture_output=True, text=True, check=True)
    tokens = [str(token) for token in json.loads(shown.stdout)]
    lengths = [int(length) for length in options.lengths.split(",")]
    cases = [tokens[begin:begin + length] for begin in range(0, len(tokens), options.apart) for length in lengths
             if begin + length <= len(tokens)][:options.prompts]
    found = {level: [] for level in options.levels.split(",")}
    for case in cases:
        exact = log_probabilities(options.program, options.model, case, "generic")
        for level, values in found.items():
            got = log_probabilities(options.program, options.model, case, level)
            values.append(sum(math.exp(p) * (p - q) for p, q in zip(exact, got)))
    for level, values in found.items():
        print(f"{level}: {len(values)} prompts, mean {statistics.mean(values):.1e}, median {statistics.median(values):.1e}, most {max(values):.1e}")


if __name__ == "__main__":
    main()
