#!/usr/bin/env python3
"""Fails unless the shared library shows exactly the functions of include/hearth/symbols.txt, and hearth.h declares them.

    check_symbols.py LIBHEARTH.SO
"""
import pathlib
import re
import subprocess
import sys

include = pathlib.Path(__file__).resolve().parent.parent / "include/hearth"
listed = include.joinpath("symbols.txt").read_text().split()
declared = re.findall(r"^HEARTH_API\b[^;]*?\b(hearth_\w+)\(", include.joinpath("hearth.h").read_text(), re.M)
shown = []
for line in subprocess.run(["nm", "-D", "--defined-only", sys.argv[1]], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
    *_, kind, name = line.split()
    if kind != "A":  # the version's own name
        shown.append(name.split("@")[0])

faults = 0
for what, names in (("declared in hearth.h", declared), ("shown by the library", shown)):
    for name in sorted(set(names) - set(listed)):
        print(f"{name} is {what} and not in symbols.txt")
        faults += 1
    for name in sorted(set(listed) - set(names)):
        print(f"{name} is in symbols.txt and not {what}")
        faults += 1
if listed != sorted(listed):
    print("symbols.txt is not sorted")
    faults += 1
if not faults:
    print(f"symbols: {len(listed)} functions, listed, declared and shown")
sys.exit(1 if faults else 0)
