"""Single lines of a version, read by their place in the file. Each is checked by its own hash, so none is read unchecked."""

import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
from django.core.files.storage import default_storage

from curation.models import Version
from curation.versions import rows as version_rows
from curation.versions.files import DamagedVersion

BATCH = 1000


class FrozenLine(NamedTuple):
    """The place of a frozen row in its file, and the record it came from."""

    pk: int
    record_id: int
    split: str
    row: int
    begins: int
    digest: int
    origin: str


def number(text: str) -> int:
    """Return 64 bits of a text's hash, signed; never 0, which means none."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True) or 1


def read(version: Version, pks: list[int]) -> Iterator[tuple[FrozenLine, dict[str, Any]]]:
    """Yield the rows of these entries, in the order of the ids given.

    Raises DamagedVersion when a line is not what was frozen.
    """
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


def _entries(version: Version, pks: list[int]) -> list[FrozenLine]:
    names = ("pk", "record_id", "split", "row", "begins", "digest", "record__origin")
    return [FrozenLine(*values) for values in version.entries.filter(pk__in=pks).order_by("pk").values_list(*names)]


def _open(version: Version, split: str) -> BinaryIO:
    name = version.file(split)["name"]
    try:
        return default_storage.open(name, "rb")
    except OSError as error:
        raise DamagedVersion(
            f"The {split} file of {version} is missing. Restore files/{name} from a backup, or freeze again."
        ) from error


def _line(version: Version, entry: FrozenLine, file: BinaryIO) -> dict[str, Any]:
    file.seek(entry.begins)
    line = file.readline()
    if version_rows.digest(line) != entry.digest:
        raise DamagedVersion(
            f"Row {entry.row} of the {entry.split} file of {version} differs from what was frozen. Restore "
            f"files/{version.file(entry.split)['name']} from a backup, or freeze the dataset again."
        )
    found: dict[str, Any] = orjson.loads(line)
    return found
