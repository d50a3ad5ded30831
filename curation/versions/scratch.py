"""The scratch folders of freezes and erasures: what an attempt that was killed left is found by its job, and goes.

Whole rows are in them, and the names of files that were stored and that no version may have by now.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from curation.versions import archive

FREEZE, ERASE = "freeze", "erase"
NAMES = "names"  # file of the storage names, one per line


def _root() -> Path:
    return Path(settings.DATA_DIR) / "tmp"


@contextmanager
def held(kind: str, pk: int, fence: int) -> Iterator[Path]:
    """Hold the folder of one attempt at a job. What earlier attempts left is removed first, and this one's at the end."""
    clear(kind, pk)
    path = _root() / f"{kind}-{pk}-{fence}"
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    except BaseException:
        _remove(path)
        raise
    shutil.rmtree(path, ignore_errors=True)  # a version has what was stored


def note(path: Path, name: str) -> None:
    """Note a file in an attempt's folder before it is stored: it is deleted with the folder unless a version has it then."""
    with (path / NAMES).open("a") as out:
        out.write(f"{name}\n")


def clear(kind: str, pk: int) -> None:
    """Remove what attempts at a job left."""
    for path in _root().glob(f"{kind}-{pk}-*"):
        _remove(path)


def left(kind: str) -> set[int]:
    """Return the ids of the jobs of which a folder is there."""
    return {int(path.name.split("-")[1]) for path in _root().glob(f"{kind}-*-*")}


def _remove(path: Path) -> None:
    names = set((path / NAMES).read_text().split()) if (path / NAMES).is_file() else set()
    if names:
        with transaction.atomic():
            archive.keep_freezes_out()
            for name in names - archive.names_in_use():
                default_storage.delete(name)
    shutil.rmtree(path, ignore_errors=True)
