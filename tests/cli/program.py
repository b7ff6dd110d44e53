"""The program as a user meets it: results on stdout, one line of error, the right exit code.

Each NAME_test.py beside this is called with the program as its first argument.
"""
import os
import pathlib
import pty
import resource
import signal
import struct
import subprocess
import sys
import unittest

HEARTH = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", ROOT / ".." / "shared"))
DATA = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
MODELS = pathlib.Path(os.environ.get("HEARTH_HOME", pathlib.Path(DATA) / "hearth")) / "models"
SMOL = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = MODELS / "all-minilm-l6-v2"
TINY = SHARED / "conformance/gguf/llama-dense.gguf"


def hearth(*arguments, stdin="", env=None):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([HEARTH, *(one if isinstance(one, bytes) else str(one) for one in arguments)], input=stdin, capture_output=True, timeout=300,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def killed_while_writing(command, size):
    """The system kills it where a file of its would grow beyond so many bytes: at the same point on every machine."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, preexec_fn=limit)
    assert done.returncode == -signal.SIGXFSZ, done


def with_metadata(content, key, kind, value):
    """A GGUF file's bytes with one key more."""
    def entry(key, kind, value):
        return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value

    entries = entry(key, kind, value)
    left = -(len(entries) + len(entry("x", 8, bytes(8)))) % 32  # what follows keeps its alignment
    entries += entry("x", 8, struct.pack("<Q", left) + b" " * left)
    return content[:16] + struct.pack("<Q", struct.unpack("<Q", content[16:24])[0] + 2) + entries + content[24:]


class Case(unittest.TestCase):
    def interrupted(self, *arguments):
        """Its standard output; Ctrl-C comes as soon as it is waited for."""
        child = subprocess.Popen([HEARTH, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        status = pathlib.Path(f"/proc/{child.pid}/status")
        caught = lambda: int(status.read_text().split("SigCgt:")[1].split()[0], 16)
        while child.poll() is None and not caught() >> (signal.SIGINT - 1) & 1:
            pass
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
        self.assertEqual((child.returncode, err), (1, b"hearth: error: interrupted\n"))
        return out

    def on_terminal(self, *arguments, until):
        """(standard output, what a terminal showed of standard error); Ctrl-C comes when that shows `until`."""
        terminal, its_side = pty.openpty()
        child = subprocess.Popen([HEARTH, *map(str, arguments)], stdout=subprocess.PIPE, stderr=its_side)
        os.close(its_side)
        shown, sent = b"", False
        while True:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if until in shown and not sent:
                child.send_signal(signal.SIGINT)
                sent = True
        os.close(terminal)
        out, _ = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 1, shown)
        return out, shown

    def fails(self, code, *arguments, says="", **options):
        status, out, err = hearth(*arguments, **options)
        self.assertEqual(status, code, (arguments, out, err))
        lines = err.strip().splitlines()
        self.assertEqual(len(lines), 1, err)
        self.assertTrue(lines[0].startswith("hearth: error: "), err)
        self.assertIn(says, lines[0])
        self.assertEqual(out, "", "no partial output that looks like a result")

    def works(self, *arguments, **options):
        status, out, err = hearth(*arguments, **options)
        self.assertEqual(status, 0, (arguments, out, err))
        return out
