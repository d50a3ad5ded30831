"""Single lines of a version, found by their place in the file. Each is checked by its own hash, so none is read unseen."""

import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
from django.core.files.storage import default_storage

from curation import frozen_rows
from curation.models import Version
from curation.versions import Broken

BATCH = 1000


class Entry(NamedTuple):
    """Where a row stands, and what it came from."""

    pk: int
    record_id: int
    split: str
    row: int
    begins: int
    digest: int
    origin: str


def number(text: str) -> int:
    """64 bits of a text's hash, signed; never 0, which stands for none."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True) or 1


def read(version: Version, pks: list[int]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """The rows of these entries, in the order of the ids given. Raises Broken when a line is not what was frozen."""
    files: dict[str, BinaryIO] = {}
    try:
        for at in range(0, len(pks), BATCH):
            for entry in _entries(version, pks[at : at + BATCH]):
                if entry.split not in files:
                    files[entry.split] = _open(version, entry.split)
                yield entry, _line(version, entry, files[entry.split])
    finally:
        for file in files.values():
            file.close()


def _entries(version: Version, pks: list[int]) -> list[Entry]:
    names = ("pk", "record_id", "split", "row", "begins", "digest", "record__origin")
    return [Entry(*values) for values in version.entries.filter(pk__in=pks).order_by("pk").values_list(*names)]


def _open(version: Version, split: str) -> BinaryIO:
    name = version.file(split)["name"]
    try:
        return default_storage.open(name, "rb")
    except OSError as error:
        raise Broken(
            f"The {split} file of {version} is missing: restore files/{name} from a backup, or freeze again."
        ) from error


def _line(version: Version, entry: Entry, file: BinaryIO) -> dict[str, Any]:
    file.seek(entry.begins)
    line = file.readline()
    if frozen_rows.digest(line) != entry.digest:
        raise Broken(
            f"Row {entry.row} of the {entry.split} file of {version} is not what was frozen: restore "
            f"files/{version.file(entry.split)['name']} from a backup, or freeze the dataset again."
        )
    found: dict[str, Any] = orjson.loads(line)
    return found
