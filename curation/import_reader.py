"""`python -m curation.import_reader`: reads a large import for the worker that started it. See `import_ahead`.

It asks no database, and ends when nobody listens any more.
"""

import os
import pickle
import sys

import django


def main() -> None:
    """Takes (import, path) from stdin; writes batches to stdout, then None, or the error that ended it."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # nothing that prints may stand between the batches
        django.setup()
        from curation import import_rows
        from curation.formats import FormatError

        job, path = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the worker
        end: Exception | None = None
        try:
            for ready in import_rows.prepared(import_rows.Batch(job), path):
                pickle.dump(ready, out, pickle.HIGHEST_PROTOCOL)
                out.flush()
        except (FormatError, FileNotFoundError) as error:
            end = error
        pickle.dump(end, out)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)  # the worker is gone
