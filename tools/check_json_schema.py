#!/usr/bin/env python3
"""Generates under JSON Schemas and validates what comes out with the jsonschema library, which must be installed.

    check_json_schema.py HEARTH MODEL SCHEMAS [--seeds N] [--seconds N]

SCHEMAS: a JSON file {name: schema}. Prints a line a schema; exit 1 where an answer does not parse or validate.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time

import jsonschema

parser = argparse.ArgumentParser()
parser.add_argument("hearth")
parser.add_argument("model")
parser.add_argument("schemas")
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--seconds", type=float, default=3600)
options = parser.parse_args()

end = time.monotonic() + options.seconds
right = tried = 0
with open(options.schemas) as file:
    schemas = json.load(file)
for name, schema in schemas.items():
    good = runs = 0
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(schema, file)
        file.flush()
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        for seed in range(1, options.seeds + 1):
            if time.monotonic() > end:
                break
            runs += 1
            done = subprocess.run(
                [options.hearth, "run", options.model, "Answer in JSON: an example.", "--json-schema", file.name]
                + ["--temperature", "1", "--seed", str(seed), "-n", "1000", "--json"],
                capture_output=True,
                text=True,
            )
            try:
                validator.validate(json.loads(json.loads(done.stdout)["text"]))
                good += 1
            except (ValueError, KeyError, jsonschema.ValidationError) as error:
                print(f"{name}, seed {seed}: {str(error).splitlines()[0]} {done.stderr.strip()} {done.stdout[:300]}")
    print(f"{name}: {good} of {runs}", flush=True)
    right += good
    tried += runs
print(f"{right} of {tried}")
sys.exit(right != tried)
