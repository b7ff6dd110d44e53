"""Python values into the structs of hearth.h, each checked: ctypes itself would wrap a number that does not fit."""
import ctypes
import inspect
import json
import numbers
import threading

from . import _library as c
from .errors import UsageError

_UNSIGNED_32 = {"max_tokens", "threads", "context_length", "batch_tokens", "dimensions"}
_SIGNED_32 = {"top_k", "penalty_window"}
_FLOATS = {"temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "frequency_penalty", "presence_penalty"}
_FLAGS = {"parse_special", "special_text", "ignore_end", "preload", "shift", "all_logits", "normalise"}
_TEXTS = {"grammar", "prefix"}
_JSON = {"json_schema", "tools", "template_variables"}


def integer(name, value, low, high):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is a {type(value).__name__}, not an int")
    if not low <= value <= high:
        raise UsageError(f"{name} is {value}, take {low} to {high}")
    return int(value)


def as_json(value, name):
    """JSON text as it is, anything else written as JSON."""
    if isinstance(value, str):
        return c.terminated(value, name)
    try:
        return json.dumps(value, ensure_ascii=True).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be written as JSON: {error}") from None


def texts(values, name):
    """An array of char*; keep it as long as the call."""
    values = [c.terminated(value, name) for value in values]
    return (ctypes.c_char_p * len(values))(*values), len(values)


def tokens(values):
    if isinstance(values, (bytes, bytearray)):
        raise TypeError(f"tokens are ints; a {type(values).__name__} is no text either: decode it")
    values = [integer("a token", value, -2**31, 2**31 - 1) for value in values]
    return (ctypes.c_int32 * len(values))(*values), len(values)


def fill(options, given):
    """Sets fields of a struct by name. None leaves the default."""
    fields = {field[0] for field in options._fields_}
    for name, value in given.items():
        if name not in fields or name in ("struct_size", "user", "reserved"):
            raise TypeError(f"there is no option {name!r}")
        if value is None:
            continue
        if name in _UNSIGNED_32:
            value = integer(name, value, 0, 2**32 - 1)
        elif name in _SIGNED_32:
            value = integer(name, value, -2**31, 2**31 - 1)
        elif name == "seed":
            value = integer(name, value, 0, 2**64 - 1)
        elif name in _FLOATS:
            if not isinstance(value, numbers.Real):
                raise TypeError(f"{name} is a {type(value).__name__}, not a number")
            value = float(value)
        elif name in _FLAGS:
            value = 1 if value else 0
        elif name in _TEXTS:
            value = c.terminated(value, name)
        elif name in _JSON:
            value = as_json(value, name)
        elif name == "stop":
            value, options.stop_count = texts([value] if isinstance(value, str) else value, name)
            value = ctypes.cast(value, c.Texts)
        elif name == "logit_bias":
            pairs = [c.LogitBias(integer("a token of logit_bias", token, -2**31, 2**31 - 1), float(bias))
                     for token, bias in dict(value).items()]
            options.logit_bias_count = len(pairs)
            value = ctypes.cast((c.LogitBias * len(pairs))(*pairs), c.LogitBiases)
        elif name == "cancellation":
            if not hasattr(value, "cancel"):
                raise TypeError(f"cancellation is a {type(value).__name__}, not a Cancellation")
            value = value._handle
        setattr(options, name, value)
    return options


def choice(name, value, known):
    if value not in known:
        raise UsageError(f"{name} is {value!r}, take one of {', '.join(map(repr, known))}")
    return known[value]


def _go_on(*_):
    return True


def goes_on(said):
    """What a caller's callback said: False stops; anything else, None too, goes on."""
    if inspect.isawaitable(said):
        if inspect.iscoroutine(said):
            said.close()
        raise TypeError("the callback is async, and nothing would await it: give a plain function")
    return said is not False


class Callback:
    """A Python function called from C. What it raises ends the call and is raised there. The main thread always has one:
    signals come to Python code only, and Ctrl-C shall stop the call."""

    def __init__(self, kind, function):
        self.error = None
        if function is None and threading.current_thread() is threading.main_thread():
            function = _go_on
        if function is None:
            self.pointer = kind()
            return

        def run(*arguments):
            try:
                return 0 if function(*arguments) else 1
            except BaseException as error:  # KeyboardInterrupt too: it must not be lost in C
                self.error = error
                return 1

        self.pointer = kind(run)

    def check(self):
        if self.error is not None:
            error, self.error = self.error, None
            raise error


def progress(function):
    return Callback(c.OnProgress, None if function is None else lambda fraction, _: goes_on(function(fraction)))
