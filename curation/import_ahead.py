"""A large import is read by a process of its own: rows are mapped and checked on one core, and written on another.

What it prepares comes through a pipe that holds less than a batch, so it is never more than one ahead. Its other half is
`import_reader`.
"""

import pickle
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from atelier.jobs.claims import JobFailed

if TYPE_CHECKING:
    from curation.import_rows import Ready
    from curation.models import Import

LARGE = 64 << 20  # bytes of a file; a smaller one is read before another process has begun, which takes a second or two
COMMAND = (sys.executable, "-m", "curation.import_reader")


def batches(job: "Import", path: Path) -> Generator["Ready", None, None]:
    """What `import_rows.prepared` gives, made by the other process; closing it ends that. Raises FormatError, and JobFailed
    when the process died."""
    # A session of its own: Ctrl-C ends the worker, which then ends this.
    child = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR, start_new_session=True
    )
    try:
        if child.stdin is None or child.stdout is None:
            raise JobFailed("The process that reads the file has no pipes: resume the import.")
        with child.stdin as told:
            pickle.dump((job, path), told)
        while (found := pickle.load(child.stdout)) is not None:  # noqa: S301 - from our own process
            if isinstance(found, Exception):
                raise found
            yield found
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        code = child.wait()
        raise JobFailed(f"The process that reads the file ended with code {code}: resume the import.") from error
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
