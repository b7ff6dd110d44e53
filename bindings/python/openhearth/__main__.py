"""python -m openhearth: answers, tokens, embeddings and facts from the command line."""
import argparse
import json
import os
import pathlib
import sys

from . import HearthError, Model, __version__, build_info
from .gpt4all import _store


def find(name):
    """A path, or a file of Open Hearth's own folder by its name."""
    for path in (pathlib.Path(name), _store() / name, _store() / f"{name}.gguf"):
        if path.is_file():
            return path
    return pathlib.Path(name)


def show(pieces):
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def options(arguments):
    given = {"max_tokens": arguments.max_tokens, "temperature": arguments.temperature, "seed": arguments.seed}
    return {name: value for name, value in given.items() if value is not None}


def run(model, arguments):
    prompt = sys.stdin.read() if arguments.prompt is None else arguments.prompt
    with model.session(system=arguments.system) as session:
        show(session.stream_complete(prompt, **options(arguments)) if arguments.raw else session.stream_say(prompt, **options(arguments)))


def chat(model, arguments):
    with model.session(system=arguments.system) as session:
        while True:
            if sys.stdin.isatty():
                print("> ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                return
            if line.strip():
                show(session.stream_say(line.strip(), **options(arguments)))


def tokenize(model, arguments):
    print(json.dumps(model.tokenize(arguments.text)))


def embed(model, arguments):
    for text in arguments.texts:
        print(json.dumps([round(float(number), 7) for number in model.embed(text, numpy=False)]))


def info(model, arguments):
    print(json.dumps({**vars(model.info), "metadata": model.metadata.summary(), "library": build_info()}, indent=2, ensure_ascii=False))


def parser():
    top = argparse.ArgumentParser(prog="openhearth", description="Language models on ordinary computers.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function, words):
        one = commands.add_parser(function.__name__, help=words)
        one.add_argument("model", help="a .gguf file, or the name of one in Open Hearth's folder")
        one.add_argument("--threads", type=int)
        one.set_defaults(function=function)
        return one

    for function, words in ((run, "answer one prompt (default: stdin)"), (chat, "answer line after line")):
        one = command(function, words)
        if function is run:
            one.add_argument("prompt", nargs="?")
            one.add_argument("--raw", action="store_true", help="continue the prompt as it stands, without the chat template")
        one.add_argument("--system", help="the system message")
        one.add_argument("-n", "--max-tokens", type=int)
        one.add_argument("--temperature", type=float)
        one.add_argument("--seed", type=int)
    command(tokenize, "the tokens of a text").add_argument("text")
    command(embed, "the vectors of texts, a line each").add_argument("texts", nargs="+", metavar="text")
    command(info, "what a model file holds")
    return top


def main(arguments=None):
    given = parser().parse_args(arguments)
    try:
        with Model(find(given.model), threads=given.threads) as model:
            given.function(model, given)
        return 0
    except HearthError as error:
        print(f"openhearth: error: {error}", file=sys.stderr)
        return 2 if error.status == "usage" else 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:  # who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
