import sys
import time

from openhearth import Model

tokens, best = int(sys.argv[2]), 0
with Model(sys.argv[1]) as model, model.session() as session:
    for _ in range(3):
        first = None
        for _piece in session.stream_complete("Once upon a time", temperature=0, ignore_end=True, max_tokens=tokens):
            first = first or time.perf_counter()
        best = max(best, (tokens - 1) / (time.perf_counter() - first))
print(f"{best:.2f}")
