"""The files of a version: written once, stored under the hash of their content, and read only after a check of that hash."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage

from curation.models import Version
from curation.records.splits import SPLITS

CHUNK = 1 << 20
BARE_KEYS = ("messages", "prompt", "chosen", "rejected", "tools")
ERASED = b'{"erased":true,'  # how the tombstone of an erased row begins; no other row has that key


class TemporaryFile(File):
    """A finished file that storage on the same disk takes over by renaming, so that no half of it is ever visible."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"))
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


class SplitFile:
    """The file of one split while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.bytes = 0
        self._digest = hashlib.sha256()
        self._out = path.open("wb")

    def write(self, line: bytes) -> tuple[int, int]:
        """Append a row; return its number, from 1, and where it begins, in bytes."""
        begins = self.bytes
        self._out.write(line)
        self._digest.update(line)
        self.rows += 1
        self.bytes += len(line)
        return self.rows, begins

    @property
    def name(self) -> str:
        """Return the storage name of what was written so far."""
        return f"versions/{self._digest.hexdigest()}.jsonl"

    def keep(self) -> dict[str, Any]:
        """Close the file and store it under its hash, unless it is already there. Returns what `Version.files` holds."""
        self._out.close()
        sha, name = self._digest.hexdigest(), self.name
        if not _is_stored(name, sha):
            with TemporaryFile(self.path) as file:
                saved = default_storage.save(name, file)
            if saved != name:  # another freeze of the same content was quicker
                default_storage.delete(saved)
        return {"name": name, "sha256": sha, "bytes": self.bytes, "rows": self.rows}

    def close(self) -> None:
        self._out.close()


def _is_stored(name: str, sha: str) -> bool:
    """Return whether the content is completely in storage; a broken file is deleted to make room for the right one."""
    if not default_storage.exists(name):
        return False
    with default_storage.open(name, "rb") as stream:
        if digest(stream) == sha:
            return True
    default_storage.delete(name)
    return False


class DamagedVersion(ValidationError):
    """A file of a version that is missing, or is not what was frozen."""


def _stored(version: Version, split: str) -> dict[str, Any]:
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    if split not in SPLITS or split not in version.files:
        raise ValidationError(f"{version} has no split {split!r}. Use one of {', '.join(SPLITS)}.")
    if version.freed_at is not None:
        raise ValidationError(
            f"The files of {version} were removed on {version.freed_at:%-d %B %Y}. Its hashes and figures are kept; freeze again for the rows."
        )
    return version.file(split)


def tombstone(line: bytes) -> bytes:
    """Return what stands in the place of an erased row: its id, which is a hash of its content, in as many bytes.

    So every other row stays where it was. A row's id and two of its keys are always longer than a tombstone.
    """
    left = orjson.dumps({"erased": True, "id": orjson.loads(line)["id"]}, option=orjson.OPT_SORT_KEYS)
    return left.ljust(len(line) - 1) + b"\n"


def is_erased(line: bytes) -> bool:
    return line.startswith(ERASED)


def digest(stream: BinaryIO) -> str:
    """Return the SHA-256 of what is left in the stream."""
    found = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def open_split(version: Version, split: str) -> BinaryIO:
    """Open the split's JSONL for reading bytes after checking its hash. Raises DamagedVersion, or ValidationError."""
    file = _stored(version, split)
    stream = _open(version, split)
    if stream is None:
        version.refresh_from_db(fields=["files", "content_hash", "rows", "freed_at"])  # rows may just have been erased
        file = _stored(version, split)
        stream = _open(version, split)
    if stream is None:
        raise DamagedVersion(
            f"The {split} file of {version} is missing. Restore files/{file['name']} from a backup, or freeze again."
        )
    if digest(stream) != file["sha256"]:
        stream.close()
        raise DamagedVersion(
            f"The {split} file of {version} differs from what was frozen: its hash does not match {file['sha256'][:12]}…. "
            f"Restore files/{file['name']} from a backup, or freeze the dataset again."
        )
    stream.seek(0)
    return stream


def _open(version: Version, split: str) -> BinaryIO | None:
    try:
        return default_storage.open(version.file(split)["name"], "rb")
    except OSError:
        return None


def rows(version: Version, split: str) -> Iterator[dict[str, Any]]:
    """Yield the split's rows in their order, without erased ones; its hash is checked first."""
    for _, row in numbered(version, split):
        yield row


def numbered(version: Version, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what `rows` yields, each with the number of its line, from 1."""
    with open_split(version, split) as lines:
        for number, line in enumerate(lines, 1):
            if not is_erased(line):
                yield number, orjson.loads(line)


def copy_split(version: Version, split: str, to_path: Path) -> int:
    """Copy a split's JSONL to a path and check it on the way. Returns its lines; at a mismatch no file is left there."""
    with open_split(version, split) as stream, to_path.open("wb") as out:
        while chunk := stream.read(CHUNK):
            out.write(chunk)
    with to_path.open("rb") as copied:
        intact = digest(copied) == _stored(version, split)["sha256"]
    if not intact:
        to_path.unlink()
        raise DamagedVersion(f"The {split} file of {version} changed while it was copied. Try again.")
    return int(version.file(split)["rows"])


def verify(version: Version) -> list[str]:
    """Return a sentence for each file that is not as it was frozen; empty when all are."""
    broken: list[str] = []
    for split in version.files if version.freed_at is None else ():
        try:
            open_split(version, split).close()
        except DamagedVersion as error:
            broken.extend(error.messages)
    return broken


def samples(version: Version, split: str, count: int = 3) -> list[dict[str, Any]]:
    """Return the first rows of a split, for a look at them; unchecked, so never for work."""
    try:
        file = _stored(version, split)
        with default_storage.open(file["name"], "rb") as stream:
            there = (line for line in stream if not is_erased(line))
            return [orjson.loads(line) for _, line in zip(range(count), there, strict=False)]
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return []  # the page says above that the file is broken or was removed


def export(version: Version, split: str, bare: bool = False) -> Iterator[bytes]:
    """Yield a split as chat JSONL, a piece a line, its hash checked before the first one.

    An erased row is a line with its id alone. `bare` leaves those out, and Atelier's id and the metadata of the others,
    for trainers that know messages and tools alone. Raises ValidationError before anything is yielded when there is no such split or the file is not what was frozen.
    """
    stream = open_split(version, split)
    return _lines(stream, bare)


def _lines(stream: Any, bare: bool) -> Iterator[bytes]:
    with stream:
        for line in stream:
            if not bare:
                yield line
            elif not is_erased(line):
                yield _bare(line)


def _bare(line: bytes) -> bytes:
    row = orjson.loads(line)
    return orjson.dumps({key: row[key] for key in BARE_KEYS if key in row}, option=orjson.OPT_APPEND_NEWLINE)
