"""Loading of a version's files, each checked against its hash before anything reads it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier_client.errors import Broken, Refused
from atelier_client.transport import Transport

if TYPE_CHECKING:
    import datasets

CHUNK = 1 << 20
ERASED = b'{"erased":true,'  # how a line begins whose row was erased after the freeze


def cache() -> Path:
    """Return the folder of downloaded files: ATELIER_CLIENT_CACHE, else the user's cache folder."""
    given = os.environ.get("ATELIER_CLIENT_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "atelier"


def fetch(
    transport: Transport, path: str, about: dict[str, Any], split: str | None, folder: str | Path | None
) -> dict[str, Path]:
    """Download the wanted splits' files, by name; empty splits are left out. Raises Broken, or Refused for an unknown split."""
    if about["status"] != "done":
        raise Refused(f"Version {about['id']} is not frozen: it is {about['status']}.")
    present = {name: about["sha256"][name] for name, rows in about["counts"].items() if rows}
    if split is not None and split not in present:
        raise Refused(f"The version has no rows in the split {split!r}. Use one of {', '.join(present)}.")
    kept = Path(folder) if folder else cache()
    kept.mkdir(parents=True, exist_ok=True)
    wanted = present if split is None else {split: present[split]}
    return {name: _file(transport, f"{path}/splits/{name}", sha, kept) for name, sha in wanted.items()}


def _file(transport: Transport, path: str, sha: str, folder: Path) -> Path:
    file = folder / f"{sha}.jsonl"
    if file.exists() and _hash(file) == sha:
        return file
    draft = file.with_suffix(f".{os.getpid()}.part")
    found = hashlib.sha256()
    try:
        with transport.stream(path) as pieces, draft.open("wb") as out:
            for piece in pieces:
                found.update(piece)
                out.write(piece)
        if found.hexdigest() != sha:
            raise Broken(
                f"The download differs from what was frozen: its hash is {found.hexdigest()[:12]}…, not {sha[:12]}…."
            )
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def _hash(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def frozen_rows(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the rows of downloaded files exactly as they were frozen, without those erased since; each with its own keys only."""
    for path in files:
        with path.open("rb") as lines:
            yield from (json.loads(line) for line in lines if not line.startswith(ERASED))


def open_files(files: dict[str, Path], split: str | None) -> "datasets.Dataset | datasets.DatasetDict":
    """Open files as datasets of one schema. Raises ImportError, saying what to install, without the `datasets` library.

    A column that only some rows have is None in the others; within a column each value is the frozen one, key for key.
    """
    try:
        import datasets

        from atelier_client import columns
    except ImportError as error:
        raise ImportError("load_dataset needs the library: pip install 'atelier-client[datasets]'.") from error
    left = {name: without_erased(path) for name, path in files.items()}
    form = columns.features(frozen_rows(left.values()))
    found = {name: columns.dataset(path, form, name) for name, path in left.items()}
    return found[split] if split is not None else datasets.DatasetDict(found)


def without_erased(path: Path) -> Path:
    """Return a file without the lines of erased rows, written beside the verified one; that one itself if it has none."""
    with path.open("rb") as lines:
        if not any(line.startswith(ERASED) for line in lines):
            return path
    left = path.with_suffix(".left.jsonl")
    draft = path.with_suffix(f".{os.getpid()}.part")
    with path.open("rb") as lines, draft.open("wb") as out:
        out.writelines(line for line in lines if not line.startswith(ERASED))
    draft.replace(left)
    return left
