#!/usr/bin/env python3
"""Runs bindings/conformance/cases.json: see the README there."""
import json
import math
import os
import pathlib
import sys
import threading
import traceback

from openhearth import (Cancellation, HearthError, Model, __version__, active_cpu_level, cpu_levels, render_template)

FOLDER = pathlib.Path(os.environ.get("HEARTH_CONFORMANCE", pathlib.Path(__file__).parents[3] / "build/conformance"))
_models = {}


def path(name):
    return FOLDER / f"{name}.gguf"


def open_model(name, **options):
    return Model(path(name), **{"context_length": 512, "threads": 2, **options})


def model_of(name):
    if name not in _models:
        _models[name] = open_model(name)
    return _models[name]


def failure(error):
    return {"error": {"status": error.status, "message": str(error)}}


def generation_options(options):
    options = dict(options)
    if "logit_bias" in options:
        options["logit_bias"] = {int(token): float(bias) for token, bias in options["logit_bias"].items()}
    return options


def generate_in(session, arguments, **more):
    options = {**generation_options(arguments.get("options", {})), **more}
    if "messages" in arguments:
        return session.chat(arguments["messages"], **options)
    return session.complete(arguments.get("prompt", arguments.get("tokens")), **options)


class Operations:
    def library(self, model, arguments):
        return {"version": __version__, "level_is_known": active_cpu_level() in cpu_levels()}

    def open(self, model, arguments):
        fractions = []
        cancel = arguments.get("cancel")
        cancellation = Cancellation()
        if cancel == "cancellation":
            cancellation.cancel()

        def on_progress(fraction):
            fractions.append(fraction)
            return cancel != "progress"

        with open_model(model, **arguments.get("options", {}), on_progress=on_progress, cancellation=cancellation) as opened:
            info = dict(vars(opened.info))
        return {**info, "progress_rises": fractions == sorted(fractions), "progress_ends": fractions[-1]}

    def metadata(self, model, arguments):
        try:
            return {"value": model_of(model).metadata[arguments["key"]]}
        except KeyError as error:  # what a mapping raises, with the library's own error behind it
            return failure(error.__context__)

    def all_metadata(self, model, arguments):
        metadata = model_of(model).metadata
        return {"count": len(metadata), "keys": list(metadata), "summary": metadata.summary(arguments["most_elements"])}

    def tokenize(self, model, arguments):
        return {"tokens": model_of(model).tokenize(**arguments), "count": model_of(model).count_tokens(**arguments)}

    def detokenize(self, model, arguments):
        return {"text": model_of(model).detokenize(**arguments)}

    def token_bytes(self, model, arguments):
        return {"bytes": list(model_of(model).token_bytes(**arguments))}

    def render_chat(self, model, arguments):
        return {"text": model_of(model).render_chat(**arguments)}

    def render_template(self, model, arguments):
        return {"text": render_template(**arguments)}

    def generate(self, model, arguments):
        opened = model_of(model)
        with opened.session(context_length=arguments.get("context_length")) as session:
            if "adapters" in arguments:
                session.set_adapters([(opened.adapter(path(one["model"])), one["scale"]) for one in arguments["adapters"]])
            return self.generated(session, arguments)

    def generated(self, session, arguments):
        cancel = arguments.get("cancel", {})
        cancellation = Cancellation()
        if cancel.get("how") == "before":
            cancellation.cancel()
        texts = []
        for _ in range(arguments.get("repeat", 1)):
            pieces = []

            def on_piece(piece):
                pieces.append(piece)
                if len(pieces) != cancel.get("after"):
                    return True
                if cancel["how"] == "session":
                    session.cancel()
                elif cancel["how"] == "thread":
                    thread = threading.Thread(target=session.cancel)
                    thread.start()
                    thread.join()
                elif cancel["how"] == "cancellation":
                    cancellation.cancel()
                elif cancel["how"] == "close":
                    session.close()
                return cancel["how"] != "callback"

            result = generate_in(session, arguments, on_piece=on_piece, cancellation=cancellation)
            texts.append(result.text)
        return {**vars(result), "streamed": "".join(pieces) == result.text, "same": len(set(texts)) == 1}

    def conversation(self, model, arguments):
        with model_of(model).session(system=arguments.get("system")) as session:
            if "messages" in arguments:
                session.messages = arguments["messages"]
            answers = [session.say(text, **generation_options(arguments.get("options", {}))).text for text in arguments["turns"]]
            if arguments.get("reset"):
                session.reset()
            return {"answers": answers, "messages": session.messages}

    def score(self, model, arguments):
        return {"likelihoods": [vars(one) for one in model_of(model).score(**arguments)]}

    def score_tokens(self, model, arguments):
        return {"likelihoods": [vars(model_of(model).score_tokens(**arguments))]}

    def embed(self, model, arguments):
        cancel = arguments.get("cancel")
        cancellation = Cancellation()
        if cancel == "cancellation":
            cancellation.cancel()
        vectors, tokens = model_of(model).embed_counted(
            arguments["texts"], **arguments.get("options", {}), on_progress=lambda _: cancel != "progress", cancellation=cancellation)
        vectors = [[float(number) for number in vector] for vector in vectors]
        return {"count": len(vectors), "width": len(vectors[0]), "prompt_tokens": tokens,
                "beginnings": [vector[:4] for vector in vectors],
                "lengths": [math.sqrt(sum(number * number for number in vector)) for vector in vectors],
                "products": [sum(a * b for a, b in zip(vectors[0], vector)) for vector in vectors]}

    def busy(self, model, arguments):
        inner = {}
        with model_of(model).session() as session:
            def on_piece(_):
                if not inner:
                    try:
                        inner.update(vars(generate_in(session, arguments)))
                    except HearthError as error:
                        inner.update(failure(error))
            outer = generate_in(session, arguments, on_piece=on_piece)
        return {"inner": inner, "outer": vars(outer)}

    def closed(self, model, arguments):
        with open_model(model) as opened:
            if arguments["what"] == "model":
                opened.close()
                opened.tokenize("x")
            elif arguments["what"] == "model_twice":
                opened.close()
                opened.close()
                return {"harmless": True}
            elif arguments["what"] == "session":
                session = opened.session()
                session.close()
                session.complete("x")
            else:
                adapter = opened.adapter(path("tiny-adapter"))
                adapter.close()
                opened.session().set_adapters([adapter])
        return {}

    def outlives(self, model, arguments):
        opened = open_model(model)
        session = opened.session()
        opened.close()
        return {"text": generate_in(session, arguments).text}

    def together(self, model, arguments):
        prompts = arguments["prompts"]
        texts = [None] * len(prompts)

        def run(index):
            with model_of(model).session() as session:
                texts[index] = generate_in(session, {**arguments, "prompt": prompts[index]}).text

        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"texts": texts}

    def other_adapter(self, model, arguments):
        model_of(model).adapter(path(arguments["adapter"])).close()
        return {}

    def cycles(self, model, arguments):
        warm = None
        for index in range(arguments["count"]):
            with open_model(model) as opened, opened.session() as session:
                generate_in(session, arguments)
            if index + 1 == arguments["count"] // 4:
                warm = resident()
        return {"flat": resident() - warm <= arguments["growth"]}

    def estimates(self, model, arguments):
        with open_model(model, **arguments.get("model_options", {})) as opened, opened.session() as session:
            before = private()
            generate_in(session, arguments)
            return {"grown": private() - before > arguments["growth"]}


def resident(field=1):
    return int(pathlib.Path("/proc/self/statm").read_text().split()[field]) * os.sysconf("SC_PAGE_SIZE")


def private():
    return resident() - resident(2)  # without mapped files


def perform(case):
    try:
        return getattr(Operations(), case["operation"])(case.get("model"), case.get("arguments", {}))
    except HearthError as error:
        return failure(error)


def faults(expected, actual, tolerance, where=""):
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            yield f"{where}: {actual!r} is no object"
            return
        for key, value in expected.items():
            if key == "says":
                for text in value:
                    if text not in actual.get("message", ""):
                        yield f"{where}: the message {actual.get('message')!r} does not say {text!r}"
            elif key not in actual:
                yield f"{where}.{key} is absent from {actual!r}"
            else:
                yield from faults(value, actual[key], tolerance, f"{where}.{key}")
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            yield f"{where}: {actual!r}, not {expected!r}"
            return
        for index, value in enumerate(expected):
            yield from faults(value, actual[index], tolerance, f"{where}[{index}]")
    elif isinstance(expected, float):
        if isinstance(actual, bool) or not isinstance(actual, (int, float)) or not abs(actual - expected) <= tolerance:
            yield f"{where}: {actual!r}, not {expected!r}"
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{where}: {actual!r}, not {expected!r}"


def main():
    cases = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]
    failed = 0
    for case in cases:
        try:
            found = list(faults(case["expected"], perform(case), case.get("tolerance", 0.001)))
        except Exception:
            found = [traceback.format_exc()]
        if found:
            failed += 1
            print(f"{case['name']}: " + "; ".join(found), file=sys.stderr)
        else:
            print("passed", case["name"])
    return len(cases) - failed, failed


if __name__ == "__main__":
    passed, failed = main()
    print(f"python: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
