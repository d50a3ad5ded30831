"""The manifest of a folder, with the hashes of its files: written last, so a folder with a valid manifest is complete.

Used for checkpoints and for models on disk. transformers writes both in place and trusts whatever it finds.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "manifest.json"


def write(folder: Path, **facts: Any) -> None:
    """Hash every file under `folder` into its manifest, with `facts` beside them. All of it reaches the disk."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME):
        sync(path)
        files[str(path.relative_to(folder))] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    draft = folder / f"{NAME}.part"
    draft.write_text(json.dumps({**facts, "files": files}, indent=1))
    sync(draft)
    draft.rename(folder / NAME)
    sync(folder)


def read(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of `folder`, or None when there is none that can be read."""
    try:
        found = json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None


def problem(folder: Path, *, hashes: bool = True) -> str:
    """Return what is wrong with `folder` in a few words, or "" when every file is there and is what was written.

    Without `hashes` only presence and sizes are looked at, which is quick for large models.
    """
    found = read(folder)
    if found is None:
        return "its manifest is missing or cannot be read"
    for name, expected in found["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["bytes"]:
            return f"{name} has {path.stat().st_size} bytes instead of {expected['bytes']}"
        if hashes and sha256(path) != expected["sha256"]:
            return f"the content of {name} has changed"
    return ""


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
