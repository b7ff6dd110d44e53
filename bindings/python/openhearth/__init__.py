"""Open Hearth: language models on ordinary computers.

    from openhearth import Model

    with Model("model.gguf") as model, model.session() as session:
        for piece in session.stream_say("Why is the sky blue?"):
            print(piece, end="", flush=True)
"""
import ctypes as _ctypes
import json as _json

from . import _library
from .errors import (BadInputError, BusyError, CancelledError, ClosedError, HearthError, InternalError, IOFailedError,
                     NotFoundError, OutOfMemoryError, TooLongError, UnsupportedError, UsageError)
from .model import Adapter, Cancellation, Likelihood, Metadata, Model, ModelInfo, render_template
from .session import Options, Piece, Result, Session, Stream

__version__ = _library.lib.hearth_version().decode()


def build_info() -> "dict[str, object]":
    """How the library was built, and what this machine can run."""
    return _json.loads(_library.lib.hearth_build_info().decode())


def cpu_levels() -> "list[str]":
    """The instruction sets this machine can run, best first."""
    return [_library.lib.hearth_cpu_level_name(i).decode() for i in range(_library.lib.hearth_cpu_level_count())]


def active_cpu_level() -> str:
    """The one in use: the best, unless the environment variable HEARTH_CPU names another."""
    name = _ctypes.c_char_p()
    _library.call("hearth_cpu_level_active", _ctypes.byref(name))
    return name.value.decode()


__all__ = [
    "Adapter", "BadInputError", "BusyError", "CancelledError", "Cancellation", "ClosedError", "HearthError", "IOFailedError",
    "InternalError", "Likelihood", "Metadata", "Model", "ModelInfo", "NotFoundError", "Options", "OutOfMemoryError", "Piece", "Result",
    "Session", "Stream", "TooLongError", "UnsupportedError", "UsageError", "active_cpu_level", "build_info", "cpu_levels",
    "render_template",
]
