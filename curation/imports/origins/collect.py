"""Origins of an import's file when nobody uploads it: a folder, a bucket, a hub, a text that was pasted.

Each gives one file, as it is at that moment: so what is imported stays the same however often the job is resumed.
Several files become a zip, unpacked as any other.
"""

import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File

from atelier import secrets
from atelier.jobs.claims import JobFailed
from curation.formats import LIMITS
from curation.imports.origins import hub, s3

KINDS = ("folder", "s3", "hub")
SHOWN = {"folder": ("path",), "s3": ("address", "endpoint", "region"), "hub": ("name", "config", "split", "revision")}
ALLOWED = {
    "folder": {"path"},
    "s3": {"address", "endpoint", "region", "access_key", "secret_key"},
    "hub": {"name", "config", "split", "revision"},
}
JUNK = ("__MACOSX", "Thumbs.db")


class CollectedFile(NamedTuple):
    """A file on this machine, its name for people, and what they should know about it."""

    path: Path
    name: str
    notes: tuple[str, ...] = ()


def clean(origin: dict[str, Any]) -> dict[str, str]:
    """Return what is stored of an origin: known keys alone, secrets encrypted. Raises ValidationError with a sentence."""
    kind = origin.get("kind")
    if kind not in KINDS:
        raise ValidationError(f"No source is called {str(kind)[:40]!r}. Use one of {', '.join(KINDS)}.")
    if unknown := sorted(set(origin) - ALLOWED[kind] - {"kind"}):
        raise ValidationError(f"A source of the kind {kind} has no field {str(unknown[0])[:40]!r}.")
    values = {name: origin.get(name) or "" for name in ALLOWED[kind]}
    if not all(isinstance(value, str) and len(value) <= 1000 and value.isprintable() for value in values.values()):
        raise ValidationError("Each field of a source must be one line of at most 1,000 characters.")
    values = {name: value.strip() for name, value in values.items()}
    {"folder": _check_folder, "s3": s3.check, "hub": _check_hub}[kind](values)
    if values.get("secret_key"):
        values["secret_key"] = secrets.seal(values["secret_key"])
    return {"kind": kind, **{name: value for name, value in values.items() if value}}


def public(origin: dict[str, Any]) -> dict[str, Any]:
    """Return an origin without what only the job may know."""
    shown = SHOWN.get(origin.get("kind", ""), ("names",))
    return {name: value for name, value in origin.items() if name == "kind" or name in shown}


def name_of(origin: dict[str, Any]) -> str:
    """Return an origin's name for people."""
    names = {"folder": "path", "s3": "address", "hub": "name"}
    whole = str(origin[names[origin["kind"]]]).rstrip("/")
    return whole if origin["kind"] == "hub" else whole.rsplit("/", 1)[-1] or whole


def collect(origin: dict[str, Any], folder: Path, say: Callable[[str], None]) -> CollectedFile:
    """Download the origin's data into one file in the folder; `say` is called with the progress.

    Raises JobFailed with a sentence.
    """
    try:
        if origin["kind"] == "hub":
            path, notes = hub.fetch(origin, _local(origin["name"]), folder, say)
            return CollectedFile(path, f"{name_of(origin)}.jsonl", notes)
        if origin["kind"] == "s3":
            return _one(s3.fetch(origin, folder, say), folder, name_of(origin))
        found = allowed_path(origin["path"])
        return _one(_files_in(found), folder, name_of(origin))
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error


def pack(files: Iterable[tuple[str, Any]], target: Path) -> Path:
    """Pack several files, given as a name and a path or an open file, into one zip.

    It is uncompressed, for most already are compressed.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, source in files:
            with archive.open(zipfile.ZipInfo(_inner(name)), "w", force_zip64=True) as out:
                stream = source if isinstance(source, File) else File(Path(source).open("rb"))  # noqa: SIM115
                with stream:
                    for chunk in stream.chunks():
                        out.write(chunk)
    return target


def _inner(name: str) -> str:
    """Return a name within a zip: shown to people, never opened as a path."""
    return "".join(char for char in name.replace("\\", "/") if char.isprintable())[:200].lstrip("/") or "file"


def _one(files: list[tuple[str, Path]], folder: Path, name: str) -> CollectedFile:
    if not files:
        raise ValidationError(f"{name} contains no files. Check the location.")
    if len(files) == 1:
        return CollectedFile(files[0][1], files[0][0].rsplit("/", 1)[-1])
    return CollectedFile(pack(files, folder / "all.zip"), f"{name}, {len(files)} files")


# --- folders -------------------------------------------------------------------------------------


def allowed_path(path: str) -> Path:
    """Return the path on this machine if the installation allows it: within ATELIER_IMPORT_FOLDERS. Raises ValidationError."""
    roots = [Path(root).resolve() for root in settings.IMPORT_FOLDERS]
    if not roots:
        raise ValidationError(
            "This installation allows no folders. List some in ATELIER_IMPORT_FOLDERS, or upload the files."
        )
    # Links are followed first, so that none leads out.
    found = Path(path).resolve()
    if not Path(path).is_absolute() or not any(found == root or root in found.parents for root in roots):
        raise ValidationError(f"Only folders within {', '.join(map(str, settings.IMPORT_FOLDERS))} can be imported.")
    return found


def _check_folder(values: dict[str, str]) -> None:
    if not allowed_path(values["path"]).exists():
        raise ValidationError(f"{values['path']} does not exist.")


def _files_in(place: Path) -> list[tuple[str, Path]]:
    """Return the files at a place in the order of their names. Links are left out: they might lead anywhere."""
    if place.is_file():
        return [(place.name, place)]
    if not place.is_dir():
        raise ValidationError("This location no longer exists.")
    found = sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    inside = [path for path in found if place in path.resolve().parents]
    files = [path for path in inside if not path.name.startswith(".") and not set(path.parts) & set(JUNK)]
    if len(files) > LIMITS.entries:
        raise ValidationError(f"The folder holds {len(files):,} files; at most {LIMITS.entries:,} can be read.")
    if (size := sum(path.stat().st_size for path in files)) > LIMITS.unpacked:
        raise ValidationError(f"The folder holds {size >> 30} GB; at most {LIMITS.unpacked >> 30} GB can be read.")
    return [(path.relative_to(place).as_posix(), path) for path in files]


# --- datasets of a hub -----------------------------------------------------------------------------


def _check_hub(values: dict[str, str]) -> None:
    name = values["name"]
    if name.startswith("/"):
        _check_folder({"path": name})
    elif not re.fullmatch(r"[\w.-]{1,96}(/[\w.-]{1,96})?", name) or ".." in name:
        raise ValidationError("Name the dataset as on the hub: “name” or “owner/name”.")
    for part in ("config", "split", "revision"):
        if not re.fullmatch(r"[\w.\-/]{0,200}", values[part]):
            raise ValidationError(f"The {part} can contain letters, digits, dots, dashes and slashes.")


def _local(name: str) -> Path | None:
    """Return the folder of a dataset that `datasets` wrote, or None for one of the hub."""
    return allowed_path(name) if name.startswith("/") else None
