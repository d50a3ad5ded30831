"""The archive of runs and adapters: hidden and not to be used; their files can be removed while hashes and figures stay."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.files import quotas
from atelier.jobs.models import TERMINAL
from training import manifest
from training.models import Adapter, Run

CHECKPOINTS, ALL = "checkpoints", "all"
# What is removed with everything. The recipe, the report, metrics and the log stay: they say what the run was.
FOLDERS, FILES = ("checkpoints", "adapter"), ("train.jsonl", "validation.jsonl")

# Training does not know what serves an adapter, so that app registers here: what keeps an adapter, and what follows its archiving.
_users: list[Callable[[Adapter], Iterator[str]]] = []
_followers: list[Callable[[Adapter], None]] = []


def used_by(user: Callable[[Adapter], Iterator[str]], then: Callable[[Adapter], None]) -> None:
    """Register a function that yields what is serving an adapter, and one that is called once it is archived."""
    if user not in _users:
        _users.append(user)
        _followers.append(then)


def archive(run: Run, asker: trail.Asker | None) -> bool:
    """Hide a run and its adapter from lists and choices. Returns False when it already was archived.

    Raises ValidationError while it is live, or while its adapter is served.
    """
    with transaction.atomic():
        shown = Run.objects.filter(pk=run.pk, archived_at=None)
        if not shown.filter(status__in=TERMINAL).update(archived_at=timezone.now()):
            if shown.exists():
                state = run.get_status_display().lower()
                raise ValidationError(f"{run.title} is {state}. Wait until it ends or cancel it, then archive it.")
            return False
        for adapter in Adapter.objects.filter(run=run, archived_at=None):
            archive_adapter(adapter, None, is_noted=False)
        trail.note(asker, AuditAction.ARCHIVED, run, project=run.project, name=run.title)
    run.refresh_from_db()
    return True


def unarchive(run: Run, asker: trail.Asker | None) -> bool:
    """Show a run in lists again, with its adapter if the files of that are still there. Returns False when it wasn't archived."""
    with transaction.atomic():
        changed = Run.objects.filter(pk=run.pk).exclude(archived_at=None).update(archived_at=None)
        if changed:
            for adapter in Adapter.objects.filter(run=run):
                if adapter.path.is_dir():
                    Adapter.objects.filter(pk=adapter.pk).update(archived_at=None)
            trail.note(asker, AuditAction.UNARCHIVED, run, project=run.project, name=run.title)
    run.refresh_from_db()
    return bool(changed)


def archive_adapter(adapter: Adapter, asker: trail.Asker | None, *, is_noted: bool = True) -> bool:
    """Hide an adapter from lists and choices. Returns False when it already was archived.

    Raises ValidationError while it is served.
    """
    with transaction.atomic():
        # The row first: who deploys it at this moment holds it, and is seen afterwards.
        changed = Adapter.objects.filter(pk=adapter.pk, archived_at=None).update(archived_at=timezone.now())
        if changed:
            serving = [name for users in _users for name in users(adapter)]
            if serving:
                raise ValidationError(f"{adapter} is deployed on {serving[0]}. Remove it there, then archive it.")
            for then in _followers:
                then(adapter)
            if is_noted:
                trail.note(asker, AuditAction.ARCHIVED, adapter, project=adapter.project, name=adapter.name)
    adapter.refresh_from_db()
    return bool(changed)


def unarchive_adapter(adapter: Adapter, asker: trail.Asker | None) -> bool:
    """Let an adapter be deployed again. Returns False when it wasn't archived.

    Raises ValidationError when its files were removed, or its run is archived.
    """
    if not adapter.path.is_dir():
        raise ValidationError(
            f"The files of {adapter} were removed from the disk, so it cannot be used again. Train again."
        )
    if adapter.run.archived_at is not None:
        raise ValidationError(f"{adapter.run.title} is archived. Restore the run, and its adapter is restored with it.")
    with transaction.atomic():
        changed = Adapter.objects.filter(pk=adapter.pk).exclude(archived_at=None).update(archived_at=None)
        if changed:
            trail.note(asker, AuditAction.UNARCHIVED, adapter, project=adapter.project, name=adapter.name)
    adapter.refresh_from_db()
    return bool(changed)


def refuse_archived(adapter: Adapter) -> None:
    """Raise ValidationError when the adapter is in the archive, so that it isn't deployed by accident."""
    if adapter.archived_at is not None:
        raise ValidationError(f"{adapter} is archived. Restore it from the archive first, or deploy another.")


def removable(run: Run, part: str) -> list[tuple[str, int]]:
    """Return the files of a part that are on the disk, with their sizes in bytes."""
    return [(str(path.relative_to(run.folder)), path.stat().st_size) for path in _paths(run, part)]


def free(run: Run, part: str, asker: trail.Asker | None) -> int:
    """Remove a part of a run's files: its checkpoints, or of an archived run all but its figures. Returns the bytes freed.

    What they were is written into the run first, so a kill leaves nothing unnamed, and the next call removes the rest.
    Raises ValidationError when the run is live, or has to be archived first.
    """
    if part not in (CHECKPOINTS, ALL):
        raise ValidationError(f"No part is called {part[:40]!r}. Use {CHECKPOINTS} or {ALL}.")
    with transaction.atomic():
        run = Run.objects.select_for_update().select_related("project").get(pk=run.pk)
        _refuse(run, part)
        entry = _account(run, part)
        known = {file["name"] for past in run.freed for file in past["files"]}
        if any(file["name"] not in known for file in entry["files"]):
            by = asker.user.username if asker and asker.user else "command line"
            run.freed = [*run.freed, entry | {"at": timezone.now().isoformat(), "by": by}]
            Run.objects.filter(pk=run.pk).update(freed=run.freed)
            about = {"name": run.title, "part": part, "freed": quotas.shown(entry["bytes"])}
            trail.note(asker, AuditAction.FILES_REMOVED, run, project=run.project, **about)
    for name in FOLDERS if part == ALL else (CHECKPOINTS,):
        if (run.folder / name).is_dir():
            shutil.rmtree(run.folder / name)
    for name in FILES if part == ALL else ():
        (run.folder / name).unlink(missing_ok=True)
    return int(entry["bytes"])


def _refuse(run: Run, part: str) -> None:
    if not run.is_over:
        raise ValidationError(
            f"{run.title} is {run.get_status_display().lower()} and needs its files. Wait until it ends."
        )
    if part == ALL and run.archived_at is None:
        raise ValidationError(f"{run.title} isn't archived. Archive it first, then remove its files.")
    if part == ALL and Adapter.objects.filter(run=run, archived_at=None).exists():
        raise ValidationError(f"The adapter of {run.title} isn't archived. Archive it first, then remove its files.")


def _account(run: Run, part: str) -> dict[str, Any]:
    """Return what a part consists of: names, sizes in bytes and, as far as manifests know them, hashes."""
    files = []
    for path in _paths(run, part):
        files.append(
            {"name": str(path.relative_to(run.folder)), "bytes": path.stat().st_size, "sha256": _sha256(run, path)}
        )
    return {"part": part, "bytes": sum(file["bytes"] for file in files), "files": files}


def _sha256(run: Run, path: Path) -> str:
    """Return the hash that a manifest beside or above a file has of it; "" if there is none. Weights are too large to hash here."""
    folder = path.parent
    while folder != run.folder:
        if found := manifest.read(folder):
            return str(found["files"].get(str(path.relative_to(folder)), {}).get("sha256", ""))
        folder = folder.parent
    return ""


def _paths(run: Run, part: str) -> list[Path]:
    found = [run.folder / name for name in FILES] if part == ALL else []
    for name in FOLDERS if part == ALL else (CHECKPOINTS,):
        found += sorted((run.folder / name).rglob("*"))
    return [path for path in found if path.is_file() and not path.is_symlink()]
