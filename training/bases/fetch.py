"""Download of one base model into the models folder: `python -m training.bases.fetch MODELS SLUG [REVISION]`.

A process of its own, so that a download of many gigabytes can be cancelled by a signal. Writes one JSON object a line:
`{"line": sentence}`, `{"bytes": n}`, and at the end `{"folder": path}` or `{"error": sentence}` with exit code 1.
"""

import contextlib
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from training import catalogue
from training.bases import store

LOOK_SECONDS = 1.0


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main(models: Path, slug: str, revision: str = "") -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that the draft folder is removed
    before = drafts(models)
    threading.Thread(target=report, args=(models, before), daemon=True).start()
    try:
        base = catalogue.get(slug)
        if revision:
            folder = store.pull(models, base, revision, say=lambda sentence: say(line=sentence))
        else:
            folder = store.ensure(models, base, say=lambda sentence: say(line=sentence))
    except (store.ModelError, catalogue.CatalogueError) as error:
        say(error=str(error))
        return 1
    except OSError as error:
        say(error=f"{slug} could not be stored: {error.strerror or error}. Check the disk of the models folder.")
        return 1
    say(folder=str(folder))
    return 0


def drafts(models: Path) -> set[Path]:
    return set(models.glob(".draft-*"))


def report(models: Path, before: set[Path]) -> None:
    """Report how many bytes are in the drafts that appeared since the start."""
    pause = threading.Event()
    while not pause.wait(LOOK_SECONDS):
        found = 0
        for draft in drafts(models) - before:
            with contextlib.suppress(OSError):
                found += sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
        say(bytes=found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:4]))
