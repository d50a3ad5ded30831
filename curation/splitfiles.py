"""The files of a version: written once, then stored under the hash of their content."""

import hashlib
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage

from curation import versions


class TemporaryFile(File):
    """A finished file that storage on the same disk takes over by renaming, so that no half of it is ever seen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"))
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


class SplitFile:
    """One split while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.bytes = 0
        self._digest = hashlib.sha256()
        self._out = path.open("wb")

    def write(self, line: bytes) -> tuple[int, int]:
        """Append a row; returns its number, from 1, and where it begins, in bytes."""
        begins = self.bytes
        self._out.write(line)
        self._digest.update(line)
        self.rows += 1
        self.bytes += len(line)
        return self.rows, begins

    def keep(self) -> dict[str, Any]:
        """Close it and store it under its hash, unless it is there already. Returns what `Version.files` holds."""
        self._out.close()
        sha = self._digest.hexdigest()
        name = f"versions/{sha}.jsonl"
        if not _is_stored(name, sha):
            with TemporaryFile(self.path) as file:
                saved = default_storage.save(name, file)
            if saved != name:  # another freeze of the same content was quicker
                default_storage.delete(saved)
        return {"name": name, "sha256": sha, "bytes": self.bytes, "rows": self.rows}

    def close(self) -> None:
        self._out.close()


def _is_stored(name: str, sha: str) -> bool:
    """Whether the content is in storage, whole; what is broken there is cleared away for the right one."""
    if not default_storage.exists(name):
        return False
    with default_storage.open(name, "rb") as stream:
        if versions.digest(stream) == sha:
            return True
    default_storage.delete(name)
    return False
