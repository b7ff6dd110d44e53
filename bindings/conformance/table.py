#!/usr/bin/env python3
"""Features x languages, of what each language's test printed (bindings/run): the table of docs/bindings.md.

    table.py FOLDER [--check]     FOLDER: build/conformance; --check: exit 1 where the page says something else
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs/bindings.md"
LANGUAGES = {"python": "Python", "typescript": "TypeScript", "go": "Go", "csharp": "C#", "java": "Java"}
BEGIN, END = "<!-- table.py -->\n", "<!-- /table.py -->\n"

OPERATIONS = {
    "library": "version, CPU level",
    "open": "open a model: progress, options, refusals",
    "metadata": "metadata", "all_metadata": "metadata",
    "tokenize": "tokenise and count", "detokenize": "ids to text", "token_bytes": "ids to text",
    "render_chat": "chat templates, tool definitions", "render_template": "chat templates, tool definitions",
    "conversation": "conversations",
    "busy": "misuse: busy, closed, closed twice", "closed": "misuse: busy, closed, closed twice", "outlives": "a session outlives its model",
    "together": "sessions at once", "other_adapter": "adapters", "cycles": "200 open-generate-close cycles, memory flat",
    "estimates": "logits estimated, or all computed",
    "score": "log-likelihoods", "score_tokens": "log-likelihoods", "embed": "embeddings",
}


def feature(case):
    arguments = case.get("arguments", {})
    options = arguments.get("options", {})
    if "cancel" in arguments:
        return "cancel: callback, session, thread, token, closing"
    if case["operation"] != "generate":
        return OPERATIONS[case["operation"]]
    if "error" in case["expected"]:
        return "generate: wrong requests refused"
    if "adapters" in arguments:
        return "adapters"
    if "grammar" in options or "json_schema" in options:
        return "grammars, JSON Schema"
    if case.get("model") == "smollm2":
        return "SmolLM2: the same greedy text"
    return "generate: text, tokens, chat, sampling"


def table(folder):
    passed = {name: set((folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()) for name in LANGUAGES}
    rows = {}
    for case in json.loads((HERE / "cases.json").read_text(encoding="utf-8"))["cases"]:
        rows.setdefault(feature(case), []).append("passed " + case["name"])
    lines = ["| feature (cases) | " + " | ".join(LANGUAGES.values()) + " |", "|---" * (1 + len(LANGUAGES)) + "|"]
    for name, cases in rows.items():
        counts = [sum(case in passed[language] for case in cases) for language in LANGUAGES]
        lines.append(f"| {name} ({len(cases)}) | " + " | ".join("yes" if n == len(cases) else f"{n} of {len(cases)}" for n in counts) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    new = before + BEGIN + table(pathlib.Path(sys.argv[1])) + END + rest.split(END)[1]
    if "--check" in sys.argv:
        sys.exit(new != page)
    PAGE.write_text(new, encoding="utf-8")
