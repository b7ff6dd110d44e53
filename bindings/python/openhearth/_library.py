"""hearth.h by ctypes: the library, its structs, and calls that raise."""
import ctypes
import os
import pathlib
import sys
import typing
import weakref
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint32,
                    c_uint64, c_void_p, sizeof)

from .errors import BY_STATUS, BadInputError, InternalError

NUL_TERMINATED = c_size_t(-1).value
NO_TOKEN = -1
ADD_SPECIAL, PARSE_SPECIAL = 1, 2

OnProgress = CFUNCTYPE(c_int, c_double, c_void_p)
OnPiece = CFUNCTYPE(c_int, c_void_p, c_size_t, c_int32, c_void_p)


class ModelOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("on_progress", OnProgress), ("user", c_void_p), ("cancellation", c_void_p),
                ("threads", c_uint32), ("context_length", c_uint32), ("batch_tokens", c_uint32), ("cache_type", c_int32),
                ("preload", c_int32), ("shift", c_int32), ("all_logits", c_int32), ("reserved", c_int32)]


class ModelInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("parameter_count", c_uint64), ("file_bytes", c_uint64),
                ("context_length", c_uint32), ("trained_context", c_uint32), ("vocabulary_size", c_uint32),
                ("embedding_length", c_uint32), ("layer_count", c_uint32), ("threads", c_uint32), ("bos_token", c_int32),
                ("eos_token", c_int32), ("is_encoder", c_int32), ("has_tokenizer", c_int32), ("has_chat_template", c_int32),
                ("reserved", c_int32)]


class SessionOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("context_length", c_uint32), ("reserved", c_int32)]


class SessionInfo(Structure):
    _fields_ = [("struct_size", c_size_t), ("context_length", c_uint32), ("used_tokens", c_uint32), ("busy", c_int32),
                ("reserved", c_int32)]


class LogitBias(Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


# Pointers' types are made once: ctypes makes others of the same name when a second interpreter of the process imports it.
Texts, LogitBiases = POINTER(c_char_p), POINTER(LogitBias)


class GenerationOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("seed", c_uint64), ("stop", Texts), ("stop_count", c_size_t),
                ("logit_bias", LogitBiases), ("logit_bias_count", c_size_t), ("grammar", c_char_p),
                ("json_schema", c_char_p), ("tools", c_char_p), ("template_variables", c_char_p), ("cancellation", c_void_p),
                ("max_tokens", c_uint32), ("top_k", c_int32), ("temperature", c_float), ("top_p", c_float),
                ("min_p", c_float), ("typical_p", c_float), ("repeat_penalty", c_float), ("frequency_penalty", c_float),
                ("presence_penalty", c_float), ("penalty_window", c_int32), ("parse_special", c_int32),
                ("special_text", c_int32), ("ignore_end", c_int32), ("reserved", c_int32)]


class Result(Structure):
    _fields_ = [("struct_size", c_size_t), ("text", c_void_p), ("text_length", c_size_t), ("tokens", POINTER(c_int32)),
                ("token_count", c_size_t), ("stop_text", c_char_p), ("seed", c_uint64), ("prompt_tokens", c_size_t),
                ("cached_tokens", c_size_t), ("generated_tokens", c_size_t), ("prompt_seconds", c_double),
                ("generation_seconds", c_double), ("finish_reason", c_int32), ("reserved", c_int32)]


class EmbedOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("prefix", c_char_p), ("on_progress", OnProgress), ("user", c_void_p),
                ("cancellation", c_void_p), ("dimensions", c_uint32), ("long_text", c_int32), ("normalise", c_int32),
                ("reserved", c_int32)]


class Embeddings(Structure):
    _fields_ = [("struct_size", c_size_t), ("values", POINTER(c_float)), ("count", c_size_t), ("width", c_size_t),
                ("prompt_tokens", c_size_t)]


class ScoreOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("on_progress", OnProgress), ("user", c_void_p), ("cancellation", c_void_p)]


class Likelihood(Structure):
    _fields_ = [("log_likelihood", c_double), ("token_count", c_uint32), ("greedy", c_int32)]


Tokens, ResultPointer, EmbeddingsPointer = POINTER(c_int32), POINTER(Result), POINTER(Embeddings)
_handle, _text, _size = c_void_p, c_char_p, c_size_t
_generation = [POINTER(GenerationOptions), OnPiece, c_void_p, POINTER(ResultPointer)]

# Arguments of the functions that give a status, without the error at their end.
_CALLS = {
    "hearth_cpu_level_active": [POINTER(c_char_p)],
    "hearth_cancellation_new": [POINTER(_handle)],
    "hearth_model_options_init": [POINTER(ModelOptions), _size],
    "hearth_model_open": [_text, POINTER(ModelOptions), POINTER(_handle)],
    "hearth_model_get_info": [_handle, POINTER(ModelInfo)],
    "hearth_model_metadata_count": [_handle, POINTER(_size)],
    "hearth_model_metadata_key": [_handle, _size, POINTER(c_void_p)],
    "hearth_model_metadata_get": [_handle, _text, POINTER(c_void_p)],
    "hearth_model_metadata_json": [_handle, _size, POINTER(c_void_p)],
    "hearth_tokenize": [_handle, _text, _size, c_uint32, POINTER(POINTER(c_int32)), POINTER(_size)],
    "hearth_count_tokens": [_handle, _text, _size, c_uint32, POINTER(_size)],
    "hearth_detokenize": [_handle, POINTER(c_int32), _size, c_int32, POINTER(c_void_p), POINTER(_size)],
    "hearth_token_bytes": [_handle, c_int32, POINTER(c_void_p), POINTER(_size)],
    "hearth_render_chat": [_handle, _text, _text, _text, POINTER(c_void_p), POINTER(_size)],
    "hearth_render_template": [_text, _text, POINTER(c_void_p), POINTER(_size)],
    "hearth_session_options_init": [POINTER(SessionOptions), _size],
    "hearth_session_open": [_handle, POINTER(SessionOptions), POINTER(_handle)],
    "hearth_session_get_info": [_handle, POINTER(SessionInfo)],
    "hearth_generation_options_init": [POINTER(GenerationOptions), _size],
    "hearth_session_complete": [_handle, _text, _size, *_generation],
    "hearth_session_complete_tokens": [_handle, POINTER(c_int32), _size, *_generation],
    "hearth_session_chat": [_handle, _text, *_generation],
    "hearth_session_say": [_handle, _text, _size, *_generation],
    "hearth_session_set_system": [_handle, _text],
    "hearth_session_messages": [_handle, POINTER(c_void_p)],
    "hearth_session_set_messages": [_handle, _text],
    "hearth_session_reset": [_handle],
    "hearth_adapter_open": [_handle, _text, POINTER(_handle)],
    "hearth_session_set_adapters": [_handle, POINTER(_handle), POINTER(c_float), _size],
    "hearth_embed_options_init": [POINTER(EmbedOptions), _size],
    "hearth_embed": [_handle, POINTER(c_char_p), POINTER(_size), _size, POINTER(EmbedOptions), POINTER(POINTER(Embeddings))],
    "hearth_score_options_init": [POINTER(ScoreOptions), _size],
    "hearth_score": [_handle, _text, POINTER(c_char_p), _size, POINTER(ScoreOptions), POINTER(Likelihood)],
    "hearth_score_tokens": [_handle, POINTER(c_int32), _size, _size, POINTER(ScoreOptions), POINTER(Likelihood)],
}

# The others: (result, arguments).
_PLAIN = {
    "hearth_status_name": (c_char_p, [c_int]),
    "hearth_error_status": (c_int, [c_void_p]),
    "hearth_error_message": (c_char_p, [c_void_p]),
    "hearth_error_free": (None, [c_void_p]),
    "hearth_free": (None, [c_void_p]),
    "hearth_version": (c_char_p, []),
    "hearth_build_info": (c_char_p, []),
    "hearth_cpu_level_count": (c_size_t, []),
    "hearth_cpu_level_name": (c_char_p, [c_size_t]),
    "hearth_cancel": (None, [_handle]),
    "hearth_cancellation_close": (None, [_handle]),
    "hearth_model_close": (None, [_handle]),
    "hearth_session_close": (None, [_handle]),
    "hearth_session_cancel": (None, [_handle]),
    "hearth_result_free": (None, [POINTER(Result)]),
    "hearth_adapter_close": (None, [_handle]),
    "hearth_embeddings_free": (None, [POINTER(Embeddings)]),
}


def _find():
    """$HEARTH_LIBRARY, the one that the package brought, or the system's."""
    named = os.environ.get("HEARTH_LIBRARY")
    if named:
        return named
    for name in ("libhearth.so", "libhearth.dylib", "hearth.dll"):
        bundled = pathlib.Path(__file__).parent / "lib" / name
        if bundled.exists():
            return str(bundled)
    return {"darwin": "libhearth.dylib", "win32": "hearth.dll"}.get(sys.platform, "libhearth.so.0")


def _load():
    path = _find()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"openhearth cannot load its library {path} ({error}); set HEARTH_LIBRARY to libhearth.so") from None
    for name, arguments in _CALLS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = c_int, [*arguments, POINTER(c_void_p)]
    for name, (result, arguments) in _PLAIN.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


lib = _load()


def call(name, *arguments):
    """Calls the function, and raises what it refuses. The interpreter lock is not held meanwhile."""
    error = c_void_p()
    status = getattr(lib, name)(*arguments, byref(error))
    if status == 0:
        return
    message = lib.hearth_error_message(error).decode("utf-8", "replace")
    lib.hearth_error_free(error)
    raise BY_STATUS.get(status, InternalError)(message)


def take_bytes(pointer, length=None):
    """What the library gave by pointer, copied and given back."""
    if not pointer.value:
        return b""
    try:
        return ctypes.string_at(pointer.value) if length is None else ctypes.string_at(pointer.value, length.value)
    finally:
        lib.hearth_free(pointer)


def take_text(pointer, length=None):
    return take_bytes(pointer, length).decode("utf-8", "replace")


def encode(text, what="the text"):
    if not isinstance(text, str):
        raise TypeError(f"{what} is a {type(text).__name__}, not a str")
    # A lone surrogate is no text: let the library say so.
    return text.encode("utf-8", "surrogatepass")


def terminated(text, what="the text"):
    raw = encode(text, what)
    if b"\0" in raw:
        raise BadInputError(f"{what} holds a NUL")
    return raw


def path(given):
    raw = os.fsencode(given)
    if b"\0" in raw:
        raise BadInputError("the path holds a NUL")
    return raw


def initialised(struct, init):
    options = struct()
    call(init, byref(options), sizeof(struct))
    return options


Self = typing.TypeVar("Self")


class Handle:
    """What the library has open for an object, until it is closed or collected."""

    def __init__(self, handle, close):
        self._handle = handle
        self._close = weakref.finalize(self, close, handle)

    def close(self) -> None:
        """Harmless for what is closed."""
        self._close()

    @property
    def closed(self) -> bool:
        return not self._close.alive

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} stays in the process that opened it")
