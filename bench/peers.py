#!/usr/bin/env python3
"""Ours beside llama.cpp and ik_llama.cpp, in turn, on this machine: medians of five and ratios, as a Markdown table.

    peers.py                                  the real models here and all formats in the 1B shape, every level this machine has;
                                              writes bench/speed/PROCESSOR.md
    peers.py --formats Q4_0,Q8_0 MODEL.gguf:512,0,0:0,64,2048 ...
                                              these formats, and these files with their own tests: prompt,generate,depth
    peers.py --build                          builds the peers and ends

The peers are built from their PyPI source packages in ~/.cache/hearth/peers, outside the repository. A first round finds each
peer's best settings for a model and a test; then every program runs once a round, so that all see the same neighbours of a
shared machine. Figures are kept as they come: a run that was stopped goes on where it was (--fresh starts over).
"""
import argparse
import ctypes
import itertools
import json
import os
import pathlib
import re
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


def level_here(level):
    """`native` on a machine without AVX-512 is `avx_vnni` or `avx2`: one build serves both."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    if level == "native" and " avx512f " not in info:
        return "avx_vnni" if " avx_vnni " in info else "avx2"
    return level


def amx_is_granted():
    """Whether this system lets a process use AMX, which some hypervisors show but deny (arch_prctl ARCH_REQ_XCOMP_PERM, XTILEDATA)."""
    return ctypes.CDLL(None).syscall(158, 0x1023, 18) == 0


def cpu_flags(level):
    """CMake's switches: named one by one, because -march=native also takes AMX where it is denied."""
    flags = ["GGML_NATIVE=OFF", "GGML_AVX=ON", "GGML_AVX2=ON", "GGML_FMA=ON", "GGML_F16C=ON", "GGML_BMI2=ON"]
    info = pathlib.Path("/proc/cpuinfo").read_text()
    if level == "avx_vnni":
        flags += ["GGML_AVX_VNNI=ON"] + [f"CMAKE_{language}_FLAGS=-mavxvnni" for language in ("C", "CXX")]
    if level == "native":
        for word, switch in (("avx512f", "GGML_AVX512"), ("avx512vbmi", "GGML_AVX512_VBMI"),
                             ("avx512_vnni", "GGML_AVX512_VNNI"), ("avx512_bf16", "GGML_AVX512_BF16")):
            if f" {word} " in info:
                flags.append(f"{switch}=ON")
                if word == "avx512f":  # ik_llama.cpp asks for these by macro and has no switch for them
                    flags += [f"CMAKE_{language}_FLAGS=-mavx512vl -mavx512dq" for language in ("C", "CXX")]
        if " amx_int8 " in info and " amx_bf16 " in info and amx_is_granted():
            flags += ["GGML_AMX_TILE=ON", "GGML_AMX_INT8=ON", "GGML_AMX_BF16=ON"]
    return ["-D" + flag for flag in flags]


def source(name, folder):
    package, inside, _ = PEERS[name]
    tree = folder / f"{name}-source"
    if tree.exists():
        return tree / inside
    log(f"fetching {package}")
    stem = package.split("==")[0]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", stem,
                    "--dest", folder / "sdist", package], check=True, stdout=sys.stderr)
    archive = next((folder / "sdist").glob(stem.replace("-", "_") + "-*.tar.gz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked")
    next((folder / "unpacked").glob(stem.replace("-", "_") + "-*")).rename(tree)
    if name == "ik_llama.cpp":  # its source package lacks the script that writes this file
        script = tree / inside / "common/cmake/build-info-gen-cpp.cmake"
        script.parent.mkdir(exist_ok=True)
        script.write_text('file(WRITE common/build-info.cpp "int LLAMA_BUILD_NUMBER = 0; char const *LLAMA_COMMIT = \\"\\"; '
                          'char const *LLAMA_COMPILER = \\"\\"; char const *LLAMA_BUILD_TARGET = \\"\\";")\n')
    if name == "llama.cpp":  # GCC 12 takes but 8 bytes of a tile configuration to be read, and leaves out the stores of the rest
        file = tree / inside / "ggml/src/ggml-cpu/amx/mmq.cpp"
        file.write_text(file.read_text().replace(
            "    _tile_loadconfig(&tc);", '    __asm__ volatile("" : : "r"(&tc) : "memory");\n    _tile_loadconfig(&tc);'))
    return tree / inside


def build(name, folder, level, jobs, launcher):
    """The path of llama-bench; llama.cpp's perplexity and quantize tools are built beside it, to judge what we compress."""
    folder.mkdir(parents=True, exist_ok=True)
    build_folder = folder / f"{name}-{level}"
    targets = ["llama-bench"] + (["llama-quantize", "llama-perplexity"] if name == "llama.cpp" else [])
    binary = build_folder / "bin" / "llama-bench"
    if all((build_folder / "bin" / target).exists() for target in targets):
        return binary
    tree = source(name, folder)
    log(f"building {name} for {level}: ten minutes or more")
    launch = [f"-DCMAKE_{language}_COMPILER_LAUNCHER={';'.join(launcher.split())}" for language in ("C", "CXX") if launcher]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-S", tree, "-B", build_folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF",
                    "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF", *launch, *cpu_flags(level)], **quiet)
    for target in targets:
        subprocess.run(["ninja", "-C", build_folder, "-j", str(jobs), target], **quiet)
    return binary


ROOT = pathlib.Path(__file__).resolve().parent.parent
STORE = pathlib.Path.home() / ".local/share/hearth/models"
TESTS = [(512, 0, 0), (0, 64, 0)]  # prompt, generate, depth
REAL = [("SmolLM2-135M-Instruct.Q4_1.gguf", ":512,0,0:0,64,0:4096,0,0:0,64,2048"), ("gemma-3-270m-q4_k_m.gguf", "")]
FORMATS = ["F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS", "MXFP4"]


ALL_LOGITS = "all logits"  # ours, without a screen before the output layer


def rate_of_ours(hearth, model, test, threads, settings):
    prompt, generate, depth = test
    done = subprocess.run([hearth, "bench", model, "-p", str(prompt), "-n", str(generate), "--depth", str(depth), "--repeat", "1",
                           "--threads", str(threads), "--json", *settings], capture_output=True, text=True)
    if done.returncode != 0:
        log(done.stderr.strip())
        return None
    return json.loads(done.stdout)["results"][0]["tokens_per_second"]


def rate_of_peer(binary, model, test, threads, settings):
    prompt, generate, depth = test
    command = [binary, "-m", model, "-t", str(threads), "-r", "1", "-o", "json", *settings]
    if depth and "ik_llama" in str(binary):
        command += ["-p", "0", "-n", "0", "-gp", f"{depth},{generate}"]
    else:
        command += ["-p", str(prompt), "-n", str(generate), *(["-d", str(depth)] if depth else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 or "[" not in done.stdout:
        return None  # a format or a setting that it does not have
    return json.loads(done.stdout[done.stdout.index("["):])[-1]["avg_ts"]


class Figures:
    """What was measured, in a file as it comes."""

    def __init__(self, path, fresh):
        self.path = path
        self.all = json.loads(path.read_text()) if path.exists() and not fresh else {}

    def of(self, *key):
        return self.all.setdefault(" | ".join(map(str, key)), [])

    def add(self, value, *key):
        self.of(*key).append(value)
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(self.all, indent=1))
        partial.replace(self.path)


def label(test):
    prompt, generate, depth = test
    return (f"pp{prompt}" if prompt else f"tg{generate}") + (f" @ d{depth}" if depth else "")


def measure(figures, programs, level, name, model, test, options):
    """The median of each program, or None where it cannot run the model."""
    best = {}
    for program, (rate, binary, choices) in programs.items():
        for settings in choices if len(choices) > 1 else []:
            key = (level, name, label(test), program, "first", *settings)
            if not figures.of(*key):
                figures.add(rate(binary, model, test, options.threads, settings), *key)
        first = {tuple(settings): (figures.of(level, name, label(test), program, "first", *settings) or [0])[0] or 0 for settings in choices}
        best[program] = max(first, key=first.get)
    for round_ in range(options.rounds):
        for program, (rate, binary, choices) in programs.items():
            key = (level, name, label(test), program, *best[program])
            if len(figures.of(*key)) <= round_:
                figures.add(rate(binary, model, test, options.threads, list(best[program])), *key)
    result = {}
    for program in programs:
        values = figures.of(level, name, label(test), program, *best[program])
        result[program] = statistics.median(values) if values and None not in values else None
    return result


def peak_and_start(command):
    """Peak resident memory in MB and seconds of a whole short run."""
    start = time.monotonic()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return [usage.ru_maxrss / 1024, time.monotonic() - start] if child.returncode == 0 else None


def measure_memory(figures, programs, level, name, model, options):
    result = {}
    for program, (_, binary, _) in programs.items():
        command = [binary, "-m", model, "-p", "16", "-n", "1", "-r", "1", "-t", options.threads]
        if program == "ours":
            command = [binary, "bench", model, "-p", "16", "-n", "1", "--repeat", "1", "--threads", options.threads]
        key = (level, name, "memory", program)
        while len(figures.of(*key)) < 3:
            figures.add(peak_and_start(command), *key)
        values = figures.of(*key)
        result[program] = None if None in values else [statistics.median(column) for column in zip(*values)]
    return result


class RandomModels:
    """Models of the 1B shape, written when they are needed and removed after."""

    def __init__(self, writer, folder, formats, keep):
        self.writer, self.folder, self.formats, self.keep = writer, folder, formats, keep

    def __iter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.formats:
            path = self.folder / f"1B-{name}.gguf"
            if not path.exists():
                log(f"writing {path.name}")
                done = subprocess.run([self.writer, "--type", name, path.with_suffix(".part")], capture_output=True, text=True)
                if done.returncode != 0:
                    log(done.stderr.strip())
                    continue
                path.with_suffix(".part").rename(path)
            yield f"1B {name}", path, TESTS
            if not self.keep:
                path.unlink()


def real_models(given):
    """FILE[:prompt,generate,depth]...; those that are installed, if none is given: (name, path, tests)."""
    if not given:
        given = [f"{path}{tests}" for path, tests in ((STORE / file, tests) for file, tests in REAL) if path.exists()]
    for one in given:
        path, *tests = one.split(":")
        yield pathlib.Path(path).stem, pathlib.Path(path), [tuple(map(int, test.split(","))) for test in tests] or TESTS


def table(rows, names):
    lines = [f"| model | test | ours | {ALL_LOGITS} | " + " | ".join(f"{name} | ratio" for name in names) + " |",
             "|---|---|---:|---:|" + "---:|---:|" * len(names)]
    for model, test, result in rows:
        mine = result["ours"]
        cells = [f"{rate:.1f}" if rate else "-" for rate in (mine, result.get(ALL_LOGITS))]
        for name in names:
            other = result[name]
            cells += [f"{other:.1f}" if other else "-", f"{mine / other:.2f}" if mine and other else "-"]
        lines.append(f"| {model} | {test} | " + " | ".join(cells) + " |")
    return lines


def memory_table(rows, names):
    programs = ["ours", *names]
    lines = ["| model | " + " | ".join(f"{name}: peak, MB | s" for name in programs) + " |", "|---|" + "---:|---:|" * len(programs)]
    for model, result in rows:
        lines.append(f"| {model} | " + " | ".join(f"{result[name][0]:.0f} | {result[name][1]:.2f}" if result[name] else "- | -" for name in programs) + " |")
    return lines


HEADER = """# Speed beside the peers: {cpu}

Made by `make bench-peers` (bench/peers.py): tokens a second, medians of {rounds} rounds in which each program runs once, so that all
see the same neighbours; a ratio above 1 is ours ahead. Each peer runs with the best of its settings (repacking, flash attention).
All logits: ours without the screen that leaves those inexact which sampling by default cannot draw (docs/performance.md, The output layer).
`pp512`: a prompt of 512 tokens; `tg64`: 64 tokens generated one by one; `@ d2048`: with 2048 in the cache. 1B: random weights, in the
shape of a Llama (16 layers, width 2048, vocabulary 49152). Seconds are of a whole short run, from start to end;
peaks too, which ends before the screen makes its copy.

{threads} threads, {date}.{note}
"""


def of_processor(field):
    return next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith(field)), "")


def vectors_of(level):
    """What this processor multiplies with at a level."""
    native = "AVX-512 and AMX" if " amx_tile" in of_processor("flags") else "AVX-512"
    return {"avx2": "AVX2", "avx_vnni": "AVX-VNNI"}.get(level, native)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hearth", default=ROOT / "build/release/hearth")
    parser.add_argument("--writer", default=ROOT / "build/release/bench/random_model", help="the program that writes random models")
    parser.add_argument("--peers", type=pathlib.Path, default=pathlib.Path.home() / ".cache/hearth/peers")
    parser.add_argument("--only", default=",".join(PEERS), help="peers, by name")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cpu", default="native,avx2", help="levels: native, avx_vnni, avx2")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--keep", action="store_true", help="leave the random models where they are")
    parser.add_argument("--out", type=pathlib.Path, help="default: bench/speed/PROCESSOR.md")
    parser.add_argument("--note", default="", help="what else there is to know of these figures")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run measured")
    parser.add_argument("--build", action="store_true", help="build the peers and end")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at once, for the peers")
    parser.add_argument("--launcher", default="", help="put before every compiler call")
    parser.add_argument("models", nargs="*")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    levels = list(dict.fromkeys(level_here(level) for level in options.cpu.split(",")))
    binaries = {(name, level): build(name, options.peers, level, options.jobs, options.launcher) for level in levels for name in names}
    if options.build:
        return
    figures = Figures(options.peers / "figures.json", options.fresh)
    speeds, memory = {level: [] for level in levels}, []
    formats = [name for name in options.formats.split(",") if name]
    models = itertools.chain(real_models(options.models), RandomModels(options.writer, options.peers / "models", formats, options.keep))

    cpu = f"{of_processor('model name') or 'unknown processor'} ({vectors_of(level_here('native'))})"  # many go by the same name
    out = options.out or ROOT / "bench/speed" / (re.sub("[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", cpu.lower())).strip("-") + ".md")
    out.parent.mkdir(parents=True, exist_ok=True)

    def write():
        lines = [HEADER.format(rounds=options.rounds, cpu=cpu, threads=options.threads, date=time.strftime("%Y-%m-%d"),
                               note=f" {options.note}" if options.note else "")]
        for level in levels:
            lines += [f"## {vectors_of(level)}" + (" (all that this processor has)" if level == level_here("native") != "native" else ""), "", *table(speeds[level], names), ""]
        lines += ["## Memory and start", "", *memory_table(memory, names), ""]
        partial = out.with_suffix(".part")
        partial.write_text("\n".join(lines))
        partial.replace(out)

    for name, model, tests in models:
        for level in levels:
            os.environ["HEARTH_CPU"] = level
            if level == "native":
                del os.environ["HEARTH_CPU"]
            programs = {"ours": (rate_of_ours, options.hearth, [[]])}
            programs |= {peer: (rate_of_peer, binaries[peer, level], PEERS[peer][2]) for peer in names}
            for test in tests:
                without = {ALL_LOGITS: (rate_of_ours, options.hearth, [["--all-logits"]])} if test[1] else {}
                result = measure(figures, programs | without, level, name, model, test, options)
                speeds[level].append((name, label(test), result))
                log(f"{level} {name} {label(test)}: " + ", ".join(f"{program} {rate:.1f}" if rate else f"{program} -" for program, rate in result.items()))
                write()
            if level == levels[0]:
                memory.append((name, measure_memory(figures, programs, level, name, model, options)))
    write()
    print(out.read_text())


if __name__ == "__main__":
    main()
