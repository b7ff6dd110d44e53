#!/usr/bin/env python3
"""Writes docs/reference/c-api.md from include/hearth/hearth.h: the header's own words, by section.

    make_c_reference.py [--check]     --check: fails where the page is out of date
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
page = root / "docs/reference/c-api.md"
header = (root / "include/hearth/hearth.h").read_text()


def words(comment):
    return re.sub(r"\s*\n \*? ?", "\n", comment[2:-2].strip().removeprefix("*")).strip()


lines = ["# The C interface", "", "Made from `include/hearth/hearth.h` by `tools/make_c_reference.py`; what holds for every function stands at the top of the header.", ""]
body = header[header.index('extern "C" {'):header.rindex("#ifdef __cplusplus")].split("\n", 2)[2]
for block in body.strip().split("\n\n"):
    section = re.fullmatch(r"/\* -+ (.*?) -- \*/", block)
    if section:
        lines += [f"## {section[1].capitalize()}", ""]
        continue
    comment = re.match(r"/\*.*?\*/\n?", block, re.S)
    if comment:
        lines += [words(comment[0].strip()), ""]
        block = block[comment.end():]
    if block:
        lines += ["```c", re.sub(r"\n {11}", "\n", block.replace("HEARTH_API ", "")) if "HEARTH_API" in block else block, "```", ""]
text = "\n".join(lines).rstrip() + "\n"
if "--check" in sys.argv:
    if not page.exists() or page.read_text() != text:
        sys.exit(f"{page.relative_to(root)} is out of date: run tools/make_c_reference.py")
else:
    page.write_text(text)
