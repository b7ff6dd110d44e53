"""Models: opened from a file, asked about, shared by sessions."""
from __future__ import annotations

import collections.abc
import ctypes
import dataclasses
import json
import os
import typing
from ctypes import byref, c_int32, c_size_t, c_void_p, sizeof

from . import _library as c
from . import _options
from .errors import NotFoundError

if typing.TYPE_CHECKING:
    from .session import Session

Path = typing.Union[str, "os.PathLike[str]"]
OnProgress = typing.Callable[[float], typing.Optional[bool]]
Json = typing.Any  # what json.dumps takes, or JSON text


class Cancellation(c.Handle):
    """A request to stop that any call can be given, before it begins or while it runs, from whatever thread."""

    def __init__(self):
        handle = c_void_p()
        c.call("hearth_cancellation_new", byref(handle))
        super().__init__(handle.value, c.lib.hearth_cancellation_close)

    def cancel(self) -> None:
        c.lib.hearth_cancel(self._handle)


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    parameter_count: int
    file_bytes: int
    context_length: int
    trained_context: int
    vocabulary_size: int
    embedding_length: int
    layer_count: int
    threads: int
    bos_token: int | None
    eos_token: int | None
    is_encoder: bool
    has_tokenizer: bool
    has_chat_template: bool


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """How likely a model finds a continuation: natural logarithm, summed over its tokens."""

    log_likelihood: float
    token_count: int
    greedy: bool


class Metadata(collections.abc.Mapping[str, typing.Any]):
    """The file's metadata, keys in its order. A value is read when it is asked for."""

    def __init__(self, model: Model):
        self._model = model

    def __getitem__(self, key: str) -> typing.Any:
        out = c_void_p()
        try:
            c.call("hearth_model_metadata_get", self._model._handle, c.terminated(key, "the key"), byref(out))
        except NotFoundError:
            raise KeyError(key) from None
        return json.loads(c.take_text(out))

    def __len__(self) -> int:
        count = c_size_t()
        c.call("hearth_model_metadata_count", self._model._handle, byref(count))
        return count.value

    def __iter__(self) -> typing.Iterator[str]:
        for index in range(len(self)):
            out = c_void_p()
            c.call("hearth_model_metadata_key", self._model._handle, index, byref(out))
            yield c.take_text(out)

    def summary(self, most_elements: int = 8) -> dict[str, typing.Any]:
        """All of it as a dict; arrays of more than `most_elements` as {"length": N, "first": [...]}."""
        out = c_void_p()
        c.call("hearth_model_metadata_json", self._model._handle, _options.integer("most_elements", most_elements, 0, 2**63), byref(out))
        return json.loads(c.take_text(out))


class Model(c.Handle):
    """A GGUF model file, opened. Any number of threads may use it. Closed, it gives its memory back with the last of its sessions
    and adapters.

        with Model("model.gguf") as model, model.session() as session:
            print(session.say("Why is the sky blue?").text)

    `on_progress(fraction)` may return False to stop the opening; CancelledError is raised then. `all_logits`: do not estimate logits
    that cannot be drawn; slower.
    """

    CACHE_TYPES = {"f16": 0, "f32": 1, "q8_0": 2, "q4_0": 3}
    LONG_TEXTS = {"refuse": 0, "truncate": 1, "mean": 2}

    def __init__(self, path: Path, *, threads: int | None = None, context_length: int | None = None,
                 batch_tokens: int | None = None, cache_type: str | None = None, preload: bool | None = None,
                 shift: bool | None = None, all_logits: bool | None = None, on_progress: OnProgress | None = None,
                 cancellation: Cancellation | None = None):
        options = c.initialised(c.ModelOptions, "hearth_model_options_init")
        _options.fill(options, {"threads": threads, "context_length": context_length, "batch_tokens": batch_tokens,
                                "preload": preload, "shift": shift, "all_logits": all_logits, "cancellation": cancellation})
        if cache_type is not None:
            options.cache_type = _options.choice("cache_type", cache_type, self.CACHE_TYPES)
        callback = _options.progress(on_progress)
        options.on_progress = callback.pointer
        self.path = os.fspath(path)
        handle = c_void_p()
        try:
            c.call("hearth_model_open", c.path(self.path), byref(options), byref(handle))
        except Exception:
            callback.check()
            raise
        super().__init__(handle.value, c.lib.hearth_model_close)
        callback.check()

    def __repr__(self):
        return f"<openhearth.Model {self.path!r}{' closed' if self.closed else ''}>"

    @property
    def info(self) -> ModelInfo:
        info = c.ModelInfo(struct_size=sizeof(c.ModelInfo))
        c.call("hearth_model_get_info", self._handle, byref(info))
        values = {name: getattr(info, name) for name, _ in info._fields_ if name not in ("struct_size", "reserved")}
        for name in ("bos_token", "eos_token"):
            values[name] = None if values[name] == c.NO_TOKEN else values[name]
        for name in ("is_encoder", "has_tokenizer", "has_chat_template"):
            values[name] = bool(values[name])
        return ModelInfo(**values)

    @property
    def metadata(self) -> Metadata:
        return Metadata(self)

    # Text and tokens

    def tokenize(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        raw = c.encode(text)
        out, count = c.Tokens(), c_size_t()
        c.call("hearth_tokenize", self._handle, raw, len(raw), _flags(add_special, parse_special), byref(out), byref(count))
        try:
            return out[:count.value] if count.value else []
        finally:
            c.lib.hearth_free(out)

    def count_tokens(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> int:
        raw = c.encode(text)
        count = c_size_t()
        c.call("hearth_count_tokens", self._handle, raw, len(raw), _flags(add_special, parse_special), byref(count))
        return count.value

    def detokenize(self, tokens: typing.Iterable[int], *, special: bool = False) -> str:
        array, count = _options.tokens(tokens)
        out, length = c_void_p(), c_size_t()
        c.call("hearth_detokenize", self._handle, array, count, 1 if special else 0, byref(out), byref(length))
        return c.take_text(out, length)

    def token_bytes(self, token: int) -> bytes:
        """The bytes one token stands for; may be a part of a character."""
        out, length = c_void_p(), c_size_t()
        c.call("hearth_token_bytes", self._handle, _options.integer("the token", token, -2**31, 2**31 - 1), byref(out), byref(length))
        return c.take_bytes(out, length)

    def render_chat(self, messages: Json, *, tools: Json = None, variables: Json = None) -> str:
        """The text that the model's own template makes of a conversation."""
        out, length = c_void_p(), c_size_t()
        c.call("hearth_render_chat", self._handle, _options.as_json(messages, "messages"),
               None if tools is None else _options.as_json(tools, "tools"),
               None if variables is None else _options.as_json(variables, "variables"), byref(out), byref(length))
        return c.take_text(out, length)

    # Numbers

    def embed(self, texts: str | typing.Iterable[str], *, prefix: str | None = None, dimensions: int | None = None,
              long_text: str | None = None, normalise: bool | None = None, on_progress: OnProgress | None = None,
              cancellation: Cancellation | None = None, numpy: bool | None = None) -> typing.Any:
        """The vector of a text, or one for each of several. NumPy arrays where NumPy is installed (`numpy=False`: lists)."""
        return self.embed_counted(texts, prefix=prefix, dimensions=dimensions, long_text=long_text, normalise=normalise,
                                  on_progress=on_progress, cancellation=cancellation, numpy=numpy)[0]

    def embed_counted(self, texts: str | typing.Iterable[str], *, prefix: str | None = None, dimensions: int | None = None,
                      long_text: str | None = None, normalise: bool | None = None, on_progress: OnProgress | None = None,
                      cancellation: Cancellation | None = None, numpy: bool | None = None) -> tuple[typing.Any, int]:
        """What `embed` gives, and the number of tokens."""
        one = isinstance(texts, str)
        raw = [c.encode(text) for text in ([texts] if one else texts)]
        options = c.initialised(c.EmbedOptions, "hearth_embed_options_init")
        _options.fill(options, {"prefix": prefix, "dimensions": dimensions, "normalise": normalise, "cancellation": cancellation})
        if long_text is not None:
            options.long_text = _options.choice("long_text", long_text, self.LONG_TEXTS)
        callback = _options.progress(on_progress)
        options.on_progress = callback.pointer
        out = c.EmbeddingsPointer()
        try:
            c.call("hearth_embed", self._handle, (ctypes.c_char_p * len(raw))(*raw), (c_size_t * len(raw))(*map(len, raw)), len(raw),
                   byref(options), byref(out))
        except Exception:
            callback.check()
            raise
        try:
            found = out.contents
            vectors = _vectors(found, _numpy(numpy))
            return (vectors[0] if one else vectors), found.prompt_tokens
        finally:
            c.lib.hearth_embeddings_free(out)

    @typing.overload
    def score(self, context: str, continuations: str, *, on_progress: OnProgress | None = ...,
              cancellation: Cancellation | None = ...) -> Likelihood: ...

    @typing.overload
    def score(self, context: str, continuations: typing.Iterable[str], *, on_progress: OnProgress | None = ...,
              cancellation: Cancellation | None = ...) -> list[Likelihood]: ...

    def score(self, context, continuations, *, on_progress=None, cancellation=None):
        """How likely each of several continuations of `context` is. A single str gives a single Likelihood."""
        one = isinstance(continuations, str)
        array, count = _options.texts([continuations] if one else continuations, "a continuation")
        likelihoods = (c.Likelihood * count)()
        self._score("hearth_score", on_progress, cancellation, likelihoods, c.terminated(context, "context"), array, count)
        results = [_likelihood(value) for value in likelihoods]
        return results[0] if one else results

    def score_tokens(self, tokens: typing.Iterable[int], start: int, *, on_progress: OnProgress | None = None,
                     cancellation: Cancellation | None = None) -> Likelihood:
        """How likely tokens[start:] are after tokens[:start]."""
        array, count = _options.tokens(tokens)
        likelihood = c.Likelihood()
        self._score("hearth_score_tokens", on_progress, cancellation, byref(likelihood), array, count,
                    _options.integer("start", start, 0, 2**63))
        return _likelihood(likelihood)

    def _score(self, name, on_progress, cancellation, out, *arguments):
        options = _options.fill(c.initialised(c.ScoreOptions, "hearth_score_options_init"), {"cancellation": cancellation})
        callback = _options.progress(on_progress)
        options.on_progress = callback.pointer
        try:
            c.call(name, self._handle, *arguments, byref(options), out)
        except Exception:
            callback.check()
            raise

    # What is opened from it

    def session(self, *, context_length: int | None = None, system: str | None = None) -> Session:
        from .session import Session
        return Session(self, context_length=context_length, system=system)

    def adapter(self, path: Path) -> Adapter:
        return Adapter(self, path)


class Adapter(c.Handle):
    """A LoRA adapter in GGUF, opened for one model. Sessions that use it go on when it is closed."""

    def __init__(self, model: Model, path: Path):
        handle = c_void_p()
        c.call("hearth_adapter_open", model._handle, c.path(path), byref(handle))
        super().__init__(handle.value, c.lib.hearth_adapter_close)


def render_template(source: str, context: Json) -> str:
    """Any Jinja chat template, without a model. `context` holds all that it sees: messages, add_generation_prompt, ..."""
    out, length = c_void_p(), c_size_t()
    c.call("hearth_render_template", c.terminated(source, "source"), _options.as_json(context, "context"), byref(out), byref(length))
    return c.take_text(out, length)


def _flags(add_special, parse_special):
    return (c.ADD_SPECIAL if add_special else 0) | (c.PARSE_SPECIAL if parse_special else 0)


def _likelihood(value):
    return Likelihood(value.log_likelihood, value.token_count, bool(value.greedy))


def _numpy(wanted):
    if wanted is False:
        return None
    try:
        import numpy
        return numpy
    except ImportError:
        if wanted:
            raise
        return None


def _vectors(found, numpy):
    if numpy is not None:
        if found.count == 0:
            return numpy.zeros((0, found.width), numpy.float32)
        return numpy.ctypeslib.as_array(found.values, (found.count, found.width)).copy()
    return [found.values[i * found.width:(i + 1) * found.width] for i in range(found.count)]
