"""`python -m tests.bench.child NAME OUT HOME ROWS [RECORDS]`: one bench in a process of its own; its figures go to OUT."""

import importlib
import json
import sys
from pathlib import Path

from tests.bench.workshop import Options

MODULES = {
    "import": "imports", "list": "lists", "export": "exports", "freeze": "freeze",
    "dedup": "dedup", "distil": "distil", "train": "train", "serve": "serve",
    "submits": "submits", "bulk": "bulk", "templated": "templated",
}  # fmt: skip


def main() -> None:
    name, out, home, rows, *records = sys.argv[1:]
    module = importlib.import_module(f"tests.bench.{MODULES[name]}")
    try:
        found = [figure.as_json() for figure in module.measure(Options(Path(home), int(rows), *map(int, records)))]
    except Exception as error:
        Path(out).write_text(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}))
        raise
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
