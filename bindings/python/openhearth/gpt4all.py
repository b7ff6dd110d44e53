"""The gpt4all package's classes over Open Hearth: change the import, keep the script.

    from openhearth.gpt4all import GPT4All

    model = GPT4All("SmolLM2-135M-Instruct.Q4_1.gguf", model_path="models")
    with model.chat_session():
        print(model.generate("Why is the sky blue?", max_tokens=100))

Both shapes of the package are taken: 2.8.2 (`system_prompt`, `prompt_template` with {0} and {1}) and its last sources (`system_message`,
`chat_template`). Where neither template is given, the model file's own is used. Listing and downloading models follow with Open
Hearth's gallery; until then they say so.
"""
import contextlib
import os
import pathlib
import warnings
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

from .errors import CancelledError, HearthError
from .model import Model, render_template

DEFAULT_MODEL_DIRECTORY = pathlib.Path.home() / ".cache" / "gpt4all"
DEFAULT_PROMPT_TEMPLATE = "### Human:\n{0}\n\n### Assistant:\n"
MIN_DIMENSIONALITY = 64
ATLAS_TOKENS = 8192
# Where 2.8.2 ends every answer: models that know no end of a turn would write the next one too.
STOP = [f"### {word}" for word in ("System", "Instruction", "Human", "User", "Response", "Assistant", "Context")]
_LATER = "this follows with Open Hearth's gallery, in a later version; put the .gguf file into a folder and name it with model_path"


class CancellationError(Exception):
    """Embedding was cancelled by `cancel_cb`."""


def _store():
    home = os.environ.get("HEARTH_HOME")
    if not home:
        home = pathlib.Path(os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local" / "share") / "hearth"
    return pathlib.Path(home) / "models"


def _go_on(token_id, response):
    return True


class _Opened:
    """What both classes are: a model that is open, until it is closed."""

    model: Model

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.model.close()

    @property
    def backend(self) -> str:
        return "cpu"

    @property
    def device(self) -> Optional[str]:
        """The name of the GPU in use: there is none."""
        return None


class GPT4All(_Opened):
    """A model and, at most, one chat session."""

    def __init__(self, model_name: str, *, model_path: Union[str, os.PathLike, None] = None, model_type: Optional[str] = None,
                 allow_download: bool = True, n_threads: Optional[int] = None, device: Optional[str] = None, n_ctx: int = 2048,
                 ngl: int = 100, verbose: bool = False):
        if device not in (None, "cpu"):
            warnings.warn(f"device {device!r}: Open Hearth computes on the processor", stacklevel=2)
        self.config = self.retrieve_model(model_name, model_path=model_path, allow_download=allow_download, verbose=verbose)
        self.model_type = model_type
        self.model = Model(self.config["path"], threads=n_threads, context_length=n_ctx, shift=True)
        self._n_ctx = min(n_ctx, self.model.info.trained_context)
        self._session = None
        self._history: Optional[List[Dict[str, str]]] = None
        self._forgotten = 0  # messages of the history that no longer fit, after its system message
        self._chat_template = self._prompt_template = None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        super().close()

    @property
    def current_chat_session(self) -> Optional[List[Dict[str, str]]]:
        return None if self._history is None else list(self._history)

    @current_chat_session.setter
    def current_chat_session(self, history: List[Dict[str, str]]) -> None:
        if self._history is None:
            raise ValueError("current_chat_session may only be set when there is an active chat session")
        self._history[:] = history
        self._forgotten = 0

    @staticmethod
    def list_models() -> List[Dict[str, Any]]:
        raise NotImplementedError(f"list_models: {_LATER}")

    @classmethod
    def retrieve_model(cls, model_name: str, model_path: Union[str, os.PathLike, None] = None, allow_download: bool = True,
                       verbose: bool = False) -> Dict[str, Any]:
        """Finds the file, and what 2.8.2 tells beside it: in `model_path`, or ~/.cache/gpt4all and Open Hearth's own folder."""
        filename = model_name if model_name.endswith(".gguf") else f"{model_name}.gguf"
        folders = [pathlib.Path(model_path).expanduser()] if model_path is not None else [DEFAULT_MODEL_DIRECTORY, _store(), pathlib.Path(".")]
        if model_path is not None and not folders[0].is_dir():
            raise FileNotFoundError(f"Model directory does not exist: {folders[0]}")
        for folder in folders:
            path = folder / filename
            if path.exists():
                if verbose:
                    print(f"Found model file at {str(path)!r}")
                return {"filename": path.name, "path": str(path), "systemPrompt": "", "promptTemplate": DEFAULT_PROMPT_TEMPLATE}
        where = ", ".join(str(folder) for folder in folders)
        raise FileNotFoundError(f"Model file does not exist: {filename} in {where}" + (f"; downloading: {_LATER}" if allow_download else ""))

    @staticmethod
    def download_model(model_filename: str, model_path: Union[str, os.PathLike], verbose: bool = True, url: Optional[str] = None,
                       expected_size: Optional[int] = None, expected_md5: Optional[str] = None) -> str:
        raise NotImplementedError(f"download_model: {_LATER}")

    @staticmethod
    def list_gpus() -> List[str]:
        return []

    def generate(self, prompt: str, *, max_tokens: int = 200, temp: float = 0.7, top_k: int = 40, top_p: float = 0.4,
                 min_p: float = 0.0, repeat_penalty: float = 1.18, repeat_last_n: int = 64, n_batch: int = 8,
                 n_predict: Optional[int] = None, streaming: bool = False,
                 callback: Optional[Callable[[int, str], Optional[bool]]] = _go_on) -> Union[str, Iterator[str]]:
        """Answers in the chat session, or continues the prompt as it stands where there is none.

        temp=0 is greedy. callback(token_id, text) returns False to stop. streaming: an iterator over the pieces.
        """
        options = {
            "max_tokens": max_tokens if n_predict is None else n_predict, "temperature": temp, "top_k": top_k, "top_p": top_p,
            "min_p": min_p, "repeat_penalty": repeat_penalty, "penalty_window": repeat_last_n, "stop": STOP,
            "on_piece": lambda piece: (callback or _go_on)(-1 if piece.token is None else piece.token, str(piece)),
        }
        if self._history is None:
            return self._answer(prompt, None, 0, options, streaming)
        question = {"role": "user", "content": prompt}
        prompt, forgotten = self._fitting_prompt([*self._history, question], options["max_tokens"])
        self._history.append(question)
        return self._answer(prompt, self._history, forgotten, options, streaming)

    def _answer(self, prompt, history, forgotten, options, streaming):
        if options["max_tokens"] <= 0:  # no tokens, where Session's 0 is no limit
            with self._answering(history, forgotten):
                return iter(()) if streaming else ""
        session = self._free_session()
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
            ask, stream = session.chat, session.stream_chat
        else:
            ask, stream = session.complete, session.stream_complete
            options["parse_special"] = True
        if streaming:
            return self._stream(stream, prompt, history, forgotten, options)
        with self._answering(history, forgotten) as heard:
            heard.append(ask(prompt, **options).text)
        return heard[0]

    def _stream(self, stream, prompt, history, forgotten, options):
        with self._answering(history, forgotten) as heard, stream(prompt, **options) as answer:
            for piece in answer:
                heard.append(piece)
                yield str(piece)

    @contextlib.contextmanager
    def _answering(self, history, forgotten):
        """What is heard meanwhile becomes the answer in the history; after an error the question goes, and nothing is forgotten."""
        heard: List[str] = []
        try:
            yield heard
        except GeneratorExit:  # the caller has heard enough
            pass
        except BaseException:
            if history is not None:
                history.pop()
            raise
        if history is not None:
            history.append({"role": "assistant", "content": "".join(heard)})
            if history is self._history:
                self._forgotten = forgotten

    def _free_session(self):
        """The kept one, whose cache knows the conversation; another while that is busy."""
        if self._session is None:
            self._session = self.model.session(context_length=self._n_ctx)
        return self.model.session(context_length=self._n_ctx) if self._session.busy else self._session

    def _fitting_prompt(self, history, max_tokens):
        """Where all of it no longer fits, the model no longer sees the oldest turns: the prompt, and how many messages it leaves out.
        The answer's tokens have room, at most a quarter of the context. (Session.say does likewise, but for good and with the file's own
        template alone: here the history stays whole, and templates may be the caller's.)"""
        room = self._n_ctx - min(max_tokens, self._n_ctx // 4)
        first = 1 if history[0]["role"] == "system" else 0
        for forgotten in range(self._forgotten, len(history) - first, 2):
            prompt = self._chat_prompt(history[:first] + history[first + forgotten:])
            if self._size(prompt) < room:
                break
        return prompt, forgotten

    def _size(self, prompt):
        if isinstance(prompt, list) and isinstance(prompt[0], dict):
            prompt = self.model.render_chat(prompt)
        return self.model.count_tokens(prompt, parse_special=True) if isinstance(prompt, str) else len(prompt)

    def _chat_prompt(self, history):
        """Messages for Session.chat; or, with a template of the caller's, the text or the tokens it makes of them."""
        history = [message for message in history if not (message["role"] == "system" and not message["content"])]
        if self._prompt_template is not None:
            return _legacy_prompt(self._prompt_template, history)
        if self._chat_template is None:
            return history
        bos, eos = self._special_texts()
        text = render_template(self._chat_template, {"messages": history, "add_generation_prompt": True, "bos_token": bos, "eos_token": eos})
        return self.model.tokenize(text, add_special=not (bos and text.startswith(bos)), parse_special=True)

    def _special_texts(self):
        info = self.model.info
        return ["" if token is None else self.model.token_bytes(token).decode("utf-8", "replace")
                for token in (info.bos_token, info.eos_token)]

    @contextlib.contextmanager
    def chat_session(self, system_prompt: Union[str, bool, None] = None, prompt_template: Optional[str] = None, *,
                     system_message: Union[str, bool, None] = None, chat_template: Optional[str] = None):
        """Keeps the conversation while the block lasts. None or False: no system message."""
        system = system_message if system_message is not None else system_prompt
        template = chat_template if chat_template is not None else prompt_template
        if template is None and not self.model.info.has_chat_template:
            template = DEFAULT_PROMPT_TEMPLATE
        if template is not None and _is_legacy(template):
            if "%1" in template:
                template = template.replace("%1", "{0}", 1).replace("%2", "{1}", 1)
            if "{0}" not in template:
                raise ValueError("the prompt template has no place for the prompt: {0} or %1")
            self._prompt_template = template
        else:
            self._chat_template = template
        self._history = [{"role": "system", "content": system}] if system else []
        self._forgotten = 0
        try:
            yield self
        finally:
            self._history = self._chat_template = self._prompt_template = None


def _is_legacy(template):
    return "{%" not in template and "{{" not in template


def _legacy_prompt(template, history):
    """2.8.2's templates: {0} is the user's text, {1} the answer, which else comes at the end, before an empty line."""
    before, placed, after = template.partition("{1}")
    text = ""
    for message in history:
        if message["role"] == "user":
            text += before.replace("{0}", message["content"])
        elif message["role"] == "assistant":
            text += message["content"] + (after if placed else "\n\n")
        else:
            text += message["content"]
    return text


class Embed4All(_Opened):
    """Vectors for texts."""

    MIN_DIMENSIONALITY = MIN_DIMENSIONALITY
    DEFAULT_MODEL = "all-MiniLM-L6-v2.gguf2.f16.gguf"

    def __init__(self, model_name: Optional[str] = None, *, n_threads: Optional[int] = None, device: Optional[str] = None, **kwargs: Any):
        if device not in (None, "cpu"):
            warnings.warn(f"device {device!r}: Open Hearth computes on the processor", stacklevel=2)
        found = GPT4All.retrieve_model(model_name or self.DEFAULT_MODEL, model_path=kwargs.get("model_path"),
                                       allow_download=kwargs.get("allow_download", True), verbose=kwargs.get("verbose", False))
        self.model = Model(found["path"], threads=n_threads)

    def embed(self, text: Union[str, List[str]], *, prefix: Optional[str] = None, dimensionality: Optional[int] = None,
              long_text_mode: str = "mean", return_dict: bool = False, atlas: bool = False,
              cancel_cb: Optional[Callable[[List[int], str], bool]] = None) -> Any:
        """One list of numbers for a text, a list of them for several. `prefix` goes before each text, with ": " after it. atlas
        refuses what Atlas would: texts of more than 8192 tokens."""
        if dimensionality is not None and dimensionality <= 0:
            raise ValueError(f"Dimensionality must be None or a positive integer, got {dimensionality}")
        if dimensionality is not None and dimensionality < self.MIN_DIMENSIONALITY:
            warnings.warn(f"Dimensionality {dimensionality} is less than the suggested minimum of {self.MIN_DIMENSIONALITY}."
                          " Performance may be degraded.", stacklevel=2)
        if long_text_mode not in ("mean", "truncate"):
            raise ValueError(f"Long text mode must be one of 'mean' or 'truncate', got {long_text_mode!r}")
        if prefix is None and self.model.metadata.get("general.architecture") == "nomic-bert":
            prefix = "search_document"
        if not text:
            raise ValueError("text must not be None or empty")
        texts = [text] if isinstance(text, str) else list(text)
        sizes = [self.model.count_tokens(one) for one in texts] if cancel_cb or atlas else []
        if atlas and long_text_mode == "mean" and max(sizes) > ATLAS_TOKENS:
            raise ValueError(f"a text has {max(sizes)} tokens, and Atlas takes {ATLAS_TOKENS}")
        try:
            vectors, tokens = self.model.embed_counted(
                texts, prefix=f"{prefix}: " if prefix else None, dimensions=dimensionality, long_text=long_text_mode, numpy=False,
                on_progress=(lambda _: not cancel_cb(sizes, self.backend)) if cancel_cb else None)
        except CancelledError as error:
            raise CancellationError("operation was canceled") from error
        result = vectors[0] if isinstance(text, str) else vectors
        return {"embeddings": result, "n_prompt_tokens": tokens} if return_dict else result


__all__ = ["CancellationError", "Embed4All", "GPT4All", "HearthError"]
