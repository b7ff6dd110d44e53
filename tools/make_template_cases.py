#!/usr/bin/env python3
"""Renders the templates of tests/cases/templates.json with Jinja2, set up as transformers sets it up, and writes what
comes out (or that it refuses) beside each. Needs jinja2, which the project itself does not."""
import copy
import datetime
import json
import pathlib
import warnings

import jinja2.ext
import jinja2.sandbox

CASES = pathlib.Path(__file__).parent.parent / "tests/cases/templates.json"


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.datetime(2026, 1, 1).strftime(form)
    return made


def main():
    warnings.simplefilter("ignore")
    cases = json.loads(CASES.read_text())
    jinja = environment()
    for case in cases["cases"]:
        case.pop("expected", None)
        case.pop("error", None)
        context = copy.deepcopy(case.get("context", cases["context"]))
        try:
            case["expected"] = jinja.from_string(case["template"]).render(**context)
            case["expected"].encode()
        except Exception as error:
            case.pop("expected", None)
            case["error"] = f"{type(error).__name__}: {error}"
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases["cases"])
    context = json.dumps(cases["context"], ensure_ascii=False)
    CASES.write_text(f'{{\n "context": {context},\n "cases": [\n{lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
