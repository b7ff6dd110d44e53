#!/usr/bin/env python3
"""The list of behaviours and Python's own tests, counted together."""
import pathlib
import sys
import unittest

import conformance

if __name__ == "__main__":
    passed, failed = conformance.main()
    suite = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent), "test_*.py")
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed, failed = passed + result.testsRun - bad - len(result.skipped), failed + bad
    print(f"python: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
