"""Permissions of the data folder, which belongs to one account: new and existing files are closed to others. No Django here."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

OWN = ("files", "log", "models", "runs", "redis")
OWN_FILES = ("db.sqlite3*", "secret.key", "first-login.txt", "demo.json", "up.lock")


def keep_private() -> None:
    """Make this process, and all that it starts, create files that other accounts cannot read."""
    os.umask(0o077)


def close(folder: Path) -> int:
    """Remove the rights of other accounts from the installation's files in its data folder. Returns how many places changed.

    Links are left alone, and so is what else may be in the folder: the setting may name one that people use for more.
    Raises PermissionError for files of another account.
    """
    changed = _close(folder) if not _is_shared(folder) else 0
    for path in _own(folder):
        changed += _close(path)
    return changed


def _own(folder: Path) -> Iterator[Path]:
    for pattern in OWN_FILES:
        yield from folder.glob(pattern)
    for name in OWN:
        if not (folder / name).is_symlink() and (folder / name).is_dir():
            yield folder / name
            for at, folders, files in os.walk(folder / name):
                yield from (Path(at, entry) for entry in (*folders, *files))


def _is_shared(folder: Path) -> bool:
    """Return whether everybody is meant to write to the folder (/tmp)."""
    return bool(folder.stat().st_mode & stat.S_ISVTX)


def _close(path: Path) -> int:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or stat.S_ISSOCK(mode) or not mode & 0o077:
            return 0
        path.chmod(stat.S_IMODE(mode) & ~0o077)
    except FileNotFoundError:  # a process ended and took its file with it
        return 0
    return 1
