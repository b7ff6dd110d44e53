#!/usr/bin/env python3
"""Fails where a room includes a neighbour that cmake/rooms.cmake does not name, or where intrinsics leave src/kernels."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
neighbours = {}
for line in re.findall(r"^hearth_room\((.*?)\)", (root / "cmake/rooms.cmake").read_text(), re.M | re.S):
    words = line.split()
    uses = words[words.index("USES") + 1:] if "USES" in words else []
    if "LIBS" in uses:
        uses = uses[:uses.index("LIBS")]
    neighbours[words[0]] = {words[0], *uses}

faults = []
for path in sorted((root / "src").rglob("*.[ch]*")):
    name = path.relative_to(root)
    room = name.parts[1]
    if room not in neighbours:
        faults.append(f"{name}: room {room} is not in cmake/rooms.cmake")
        continue
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*"([a-z0-9_]+)/', line)
        if found and found[1] in neighbours and found[1] not in neighbours[room]:
            faults.append(f"{name}:{number}: room {room} may not include {found[1]}")
        if room != "kernels" and re.search(r"immintrin\.h|arm_neon\.h|\b_mm(256|512)?_", line):
            faults.append(f"{name}:{number}: intrinsics stand in src/kernels only")
for fault in faults:
    print(fault)
if not faults:
    print(f"rooms: {len(neighbours)} rooms, every include allowed")
sys.exit(1 if faults else 0)
