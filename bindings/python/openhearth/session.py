"""Sessions: one conversation or text each, continued by the model."""
from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import queue
import threading
import typing
import weakref
from ctypes import byref, c_float, c_size_t, c_void_p, sizeof, string_at

from . import _library as c
from . import _options
from ._library import Self
from .model import Adapter, Cancellation, Json, Model

if typing.TYPE_CHECKING:
    from typing_extensions import Unpack

FINISH_REASONS = ("stop", "length", "cancelled")


@dataclasses.dataclass(frozen=True)
class Result:
    """An answer. finish_reason: "stop", "length" or "cancelled"; seed draws the same answer again."""

    text: str
    tokens: list[int]
    finish_reason: str
    stop_text: str | None
    seed: int
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    prompt_seconds: float
    generation_seconds: float

    def __str__(self) -> str:
        return self.text


class Piece(str):
    """A piece of an answer: text, and the token it came with (None for a last piece without one)."""

    token: int | None

    def __new__(cls, text: str, token: int | None):
        piece = super().__new__(cls, text)
        piece.token = token
        return piece


class Options(typing.TypedDict, total=False):
    """What Session's docstring lists. None is the default, everywhere."""

    max_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    repeat_penalty: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    penalty_window: int | None
    seed: int | None
    stop: str | typing.Iterable[str] | None
    logit_bias: typing.Mapping[int, float] | None
    grammar: str | None
    json_schema: Json
    tools: Json
    template_variables: Json
    parse_special: bool | None
    special_text: bool | None
    ignore_end: bool | None
    cancellation: Cancellation | None
    on_piece: typing.Callable[[Piece], bool | None] | None


class Session(c.Handle):
    """One conversation with a model, and what was computed of it. One call at a time; others get BusyError.
    Closing it cancels what runs in it in another thread.

    `complete` continues a text (or tokens), `chat` answers a list of messages, `say` goes on with the session's own
    conversation. Each gives a Result; with the prefix `stream_` it gives an iterator over its pieces (an async one too), with
    the prefix `a` an awaitable.

    Options, all by name: max_tokens, temperature, top_k, top_p, min_p, typical_p, repeat_penalty, frequency_penalty,
    presence_penalty, penalty_window, seed, stop (a str or several), logit_bias ({token: bias}), grammar (GBNF), json_schema,
    tools, template_variables, parse_special, special_text, ignore_end, cancellation; and on_piece(piece), which may return
    False to stop.
    """

    def __init__(self, model: Model, *, context_length: int | None = None, system: str | None = None):
        options = c.initialised(c.SessionOptions, "hearth_session_options_init")
        _options.fill(options, {"context_length": context_length})
        handle = c_void_p()
        c.call("hearth_session_open", model._handle, byref(options), byref(handle))
        super().__init__(handle.value, c.lib.hearth_session_close)
        self._leaving = None  # the thread of a stream that was left, and stops
        if system is not None:
            self.set_system(system)

    def _info(self):
        info = c.SessionInfo(struct_size=sizeof(c.SessionInfo))
        c.call("hearth_session_get_info", self._handle, byref(info))
        return info

    @property
    def context_length(self) -> int:
        return self._info().context_length

    @property
    def used_tokens(self) -> int:
        return self._info().used_tokens

    @property
    def busy(self) -> bool:
        return bool(self._info().busy)

    # Answers

    def complete(self, prompt: str | typing.Iterable[int], **options: Unpack[Options]) -> Result:
        return self._generate(*self._completion(prompt), **options)

    def chat(self, messages: Json, **options: Unpack[Options]) -> Result:
        return self._generate("hearth_session_chat", (_options.as_json(messages, "messages"),), **options)

    def say(self, text: str, **options: Unpack[Options]) -> Result:
        return self._generate(*self._saying(text), **options)

    def stream_complete(self, prompt: str | typing.Iterable[int], **options: Unpack[Options]) -> Stream:
        return Stream(self, *self._completion(prompt), options)

    def stream_chat(self, messages: Json, **options: Unpack[Options]) -> Stream:
        return Stream(self, "hearth_session_chat", (_options.as_json(messages, "messages"),), options)

    def stream_say(self, text: str, **options: Unpack[Options]) -> Stream:
        return Stream(self, *self._saying(text), options)

    async def acomplete(self, prompt: str | typing.Iterable[int], **options: Unpack[Options]) -> Result:
        return await Stream(self, *self._completion(prompt), options).finish()

    async def achat(self, messages: Json, **options: Unpack[Options]) -> Result:
        return await self.stream_chat(messages, **options).finish()

    async def asay(self, text: str, **options: Unpack[Options]) -> Result:
        return await self.stream_say(text, **options).finish()

    def cancel(self) -> None:
        """Ends the generation that runs in the session, if one does; from whatever thread."""
        c.lib.hearth_session_cancel(self._handle)

    # The session's own conversation

    @property
    def messages(self) -> list[dict[str, typing.Any]]:
        out = c_void_p()
        self._call("hearth_session_messages", byref(out))
        return json.loads(c.take_text(out))

    @messages.setter
    def messages(self, messages: Json) -> None:
        self._call("hearth_session_set_messages", _options.as_json(messages, "messages"))

    def set_system(self, text: str | None) -> None:
        """The conversation begins with this system message; None or "": with none."""
        self._call("hearth_session_set_system", None if text is None else c.terminated(text, "the system message"))

    def reset(self) -> None:
        """Forgets the conversation; its system message stays."""
        self._call("hearth_session_reset")

    def set_adapters(self, adapters: typing.Iterable[Adapter | tuple[Adapter, float]]) -> None:
        """Adapters, or pairs of one and its scale; an empty list: none."""
        pairs = [entry if isinstance(entry, tuple) else (entry, 1.0) for entry in adapters]
        handles = (c_void_p * len(pairs))(*(adapter._handle for adapter, _ in pairs))
        scales = (c_float * len(pairs))(*(float(scale) for _, scale in pairs))
        self._call("hearth_session_set_adapters", handles, scales, len(pairs))

    # How they are made

    def _call(self, name, *arguments):
        leaving, self._leaving = self._leaving, None
        if leaving is not None and leaving is not threading.current_thread():
            leaving.join()
        c.call(name, self._handle, *arguments)

    @staticmethod
    def _completion(prompt):
        if isinstance(prompt, str):
            raw = c.encode(prompt, "the prompt")
            return "hearth_session_complete", (raw, len(raw))
        return "hearth_session_complete_tokens", _options.tokens(prompt)

    @staticmethod
    def _saying(text):
        raw = c.encode(text)
        return "hearth_session_say", (raw, len(raw))

    def _generate(self, name, prompt, *, on_piece=None, **options):
        struct = _options.fill(c.initialised(c.GenerationOptions, "hearth_generation_options_init"), options)

        def hear(text, length, token, _):
            piece = Piece(string_at(text, length).decode("utf-8", "replace"), None if token == c.NO_TOKEN else token)
            return _options.goes_on(on_piece(piece))

        callback = _options.Callback(c.OnPiece, hear if on_piece else None)
        out = c.ResultPointer()
        try:
            self._call(name, *prompt, byref(struct), callback.pointer, None, byref(out))
        except Exception:
            callback.check()
            raise
        try:
            callback.check()
            found = out.contents
            return Result(
                text=string_at(found.text, found.text_length).decode("utf-8", "replace"),
                tokens=found.tokens[:found.token_count] if found.token_count else [],
                finish_reason=FINISH_REASONS[found.finish_reason],
                stop_text=None if found.stop_text is None else found.stop_text.decode("utf-8", "replace"),
                seed=found.seed, prompt_tokens=found.prompt_tokens, cached_tokens=found.cached_tokens,
                generated_tokens=found.generated_tokens, prompt_seconds=found.prompt_seconds,
                generation_seconds=found.generation_seconds)
        finally:
            c.lib.hearth_result_free(out)


_END = object()
_running = weakref.WeakSet()


def _cancel_all():
    for stream in list(_running):
        stream.cancel()


# Before the interpreter waits for its threads, as concurrent.futures does it: an answer nobody reads must not hold it up.
getattr(threading, "_register_atexit", lambda _: None)(_cancel_all)


class _Worker:
    """What the thread and the stream share. The thread does not hold the stream, so that a dropped one is collected."""

    def __init__(self):
        self.pieces = queue.SimpleQueue()
        self.stopped = False
        self.result = None
        self.error = None
        self.wakes = []  # tell event loops that there is something

    def put(self, item):
        self.pieces.put(item)
        for wake in list(self.wakes):
            wake()

    def hear(self, on_piece, piece):
        if self.stopped or (on_piece is not None and not _options.goes_on(on_piece(piece))):
            return False
        if piece:
            self.put(piece)
        return not self.stopped

    def run(self, session, name, prompt, on_piece, options):
        try:
            self.result = session._generate(name, prompt, on_piece=functools.partial(self.hear, on_piece), **options)
        except BaseException as error:
            self.error = error
        self.put(_END)


class Stream:
    """An answer while it is written: iterate (`for`, or `async for`) over its pieces, then see `result`.

    Leaving the loop early and dropping the stream cancels the generation; so do `cancel`, `close` and the end of a `with`.
    What went wrong in the generation is raised by the iteration.
    """

    def __init__(self, session: Session, name: str, prompt: tuple, options: Options):
        options = dict(options)
        on_piece = options.pop("on_piece", None)
        _options.fill(c.initialised(c.GenerationOptions, "hearth_generation_options_init"), options)  # faults now, not later
        self._session = session
        self._worker = _Worker()
        self._ended = False
        self._thread = threading.Thread(target=self._worker.run, args=(session, name, prompt, on_piece, options),
                                        name="openhearth-stream")
        self._stop = weakref.finalize(self, _stop, self._worker, session, self._thread)
        _running.add(self)
        self._thread.start()

    @property
    def result(self) -> Result | None:
        """The Result, once the iteration is over; None before."""
        return self._worker.result if self._ended else None

    def cancel(self) -> None:
        _stop(self._worker, self._session, self._thread)

    def close(self) -> None:
        """Cancels, and waits for the end."""
        self.cancel()
        self._thread.join()
        self._finish()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()

    def _finish(self):
        self._ended = True
        self._stop.detach()
        _running.discard(self)

    def _take(self, item):
        if item is not _END:
            return item
        self._worker.put(_END)  # for whoever else reads
        self._finish()
        if self._worker.error is not None:
            error, self._worker.error = self._worker.error, None
            raise error
        return _END

    def __iter__(self: Self) -> Self:
        return self

    def __next__(self) -> Piece:
        if self._ended:
            raise StopIteration
        item = self._take(self._worker.pieces.get())
        if item is _END:
            raise StopIteration
        return item

    def __aiter__(self: Self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        if self._ended:
            raise StopAsyncIteration
        item = self._take(await self._next_async())
        if item is _END:
            raise StopAsyncIteration
        return item

    async def _next_async(self):
        loop = asyncio.get_running_loop()
        there = asyncio.Event()

        def wake():
            try:
                loop.call_soon_threadsafe(there.set)
            except RuntimeError:  # the loop is closed: nobody waits
                pass

        self._worker.wakes.append(wake)
        try:
            while True:
                try:
                    return self._worker.pieces.get_nowait()
                except queue.Empty:
                    await there.wait()
                    there.clear()
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            self._worker.wakes.remove(wake)

    async def finish(self) -> Result:
        """Waits for the end without blocking the event loop, and gives the Result."""
        async for _ in self:
            pass
        return self._worker.result


def _stop(worker, session, thread):
    """The session's next call waits until the thread is done, rather than find the session busy."""
    worker.stopped = True
    if thread.is_alive():
        session._leaving = thread
        session.cancel()
