#!/usr/bin/env bash
# The Python binding: the list of behaviours, what is Python's own, and the package that pip makes.
cd "$(dirname "$0")"
exec env PYTHONPATH="$PWD" python3 tests/run.py
