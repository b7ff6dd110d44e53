#!/usr/bin/env python3
"""Fails where an object of src/kernels/isa could make another processor run its instructions: a weak symbol (the linker may keep this
copy for everybody), a second exported symbol, or an initialiser that runs at start. Argument: the build folder."""
import pathlib
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


objects = sorted(path for path in pathlib.Path(sys.argv[1]).rglob("*.o") if "/kernels/isa/" in str(path))
faults = [] if objects else [f"{sys.argv[1]}: no objects of src/kernels/isa"]
for path in objects:
    symbols = [line.split() for line in run("nm", "--demangle", path)]
    weak = [" ".join(symbol[2:]) for symbol in symbols if len(symbol) > 2 and symbol[1] in "WVu"]
    exported = [" ".join(symbol[2:]) for symbol in symbols if len(symbol) > 2 and symbol[1] in "TDRB"]
    faults += [f"{path.name}: weak symbol {name}" for name in weak]
    if len(exported) != 1:
        faults.append(f"{path.name}: exports {len(exported)} symbols, not its table alone: {', '.join(exported)}")
    if any(".init_array" in line for line in run("objdump", "-h", path)):
        faults.append(f"{path.name}: runs code at start")
for fault in faults:
    print(fault)
if not faults:
    print(f"kernel objects: {len(objects)}, each with its table and nothing else")
sys.exit(1 if faults else 0)
