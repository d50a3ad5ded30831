"""The archive of versions: hidden and not to be used; their files can be removed while hashes and figures stay."""

from collections.abc import Callable, Iterator

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.files import quotas
from atelier.jobs.models import LIVE
from curation.models import Version
from curation.versions import diff

# Curation does not know the later steps, so each app registers its own here: the names of jobs that are at work with a version.
_users: list[Callable[[Version], Iterator[str]]] = []


def used_by(user: Callable[[Version], Iterator[str]]) -> None:
    """Register a function that yields the titles of live jobs that read a version."""
    if user not in _users:
        _users.append(user)


def _exports(version: Version) -> Iterator[str]:
    for export in version.exports.filter(status__in=LIVE).select_related("version__dataset"):
        yield export.title


used_by(_exports)


def archive(version: Version, asker: trail.Asker | None) -> bool:
    """Hide a version from lists and choices. Returns False when it already was archived.

    Raises ValidationError while it is being frozen, or while a job needs it.
    """
    if version.is_live:
        raise ValidationError(f"{version} is still being frozen. Wait until it is done or cancel it, then archive it.")
    with transaction.atomic():
        # The row first: a job that starts at this moment reads the version after it, and is refused.
        changed = Version.objects.filter(pk=version.pk, archived_at=None).update(archived_at=timezone.now())
        if changed:
            _refuse_used(version)
            trail.note(asker, AuditAction.ARCHIVED, version, project=version.project, name=str(version))
    version.refresh_from_db()
    return bool(changed)


def _refuse_used(version: Version) -> None:
    titles = [title for users in _users for title in users(version)]
    if titles:
        more = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
        raise ValidationError(
            f"{titles[0]}{more} needs {version}. Wait until it ends or cancel it, then archive the version."
        )


def unarchive(version: Version, asker: trail.Asker | None) -> bool:
    """Let a version be used again. Returns False when it wasn't archived.

    Raises ValidationError when its files were removed, or its dataset was deleted.
    """
    if version.freed_at is not None:
        raise ValidationError(f"The files of {version} were removed from the disk, so it cannot be used again.")
    if version.dataset.deleted_at is not None:
        raise ValidationError(f"The dataset of {version} was deleted, so it stays in the archive.")
    with transaction.atomic():
        changed = (
            Version.objects.filter(pk=version.pk, freed_at=None).exclude(archived_at=None).update(archived_at=None)
        )
        if changed:
            trail.note(asker, AuditAction.UNARCHIVED, version, project=version.project, name=str(version))
    version.refresh_from_db()
    return bool(changed)


def free(version: Version, asker: trail.Asker | None) -> int:
    """Remove an archived version's files from the disk; what they were stays in `files`. Returns the bytes that this freed.

    A file that another version has as well stays for that one. Repeated after a kill, it removes what is left.
    Raises ValidationError when the version isn't archived.
    """
    if version.archived_at is None:
        raise ValidationError(f"{version} isn't archived. Archive it first, then remove its files.")
    diff.forget(version)
    with transaction.atomic():
        keep_freezes_out()
        archived = Version.objects.select_for_update().exclude(archived_at=None)
        version = archived.select_related("dataset", "project").get(pk=version.pk)
        kept = names_of_others(version)
        freed = 0
        for file in version.files.values():
            if file["name"] not in kept and default_storage.exists(file["name"]):
                default_storage.delete(file["name"])
                freed += file["bytes"]
        if version.freed_at is None:
            Version.objects.filter(pk=version.pk).update(freed_at=timezone.now())
            about = {"name": str(version), "freed": quotas.shown(freed)}
            trail.note(asker, AuditAction.FILES_REMOVED, version, project=version.project, **about)
    return freed


def refuse_archived(version: Version) -> None:
    """Raise ValidationError when the version is in the archive, so that it isn't used by accident."""
    if version.freed_at is not None:
        raise ValidationError(f"{version} is archived and its files were removed, so it can no longer be used.")
    if version.archived_at is not None:
        raise ValidationError(f"{version} is archived. Restore it from the archive first, or choose another version.")


def names_of_others(version: Version) -> set[str]:
    """Return the storage names of the files that other versions still have: files are named by their content."""
    return _names(Version.objects.exclude(pk=version.pk))


def names_in_use() -> set[str]:
    """Return the storage names of the files that any version still has."""
    return _names(Version.objects.all())


def _names(versions: "QuerySet[Version]") -> set[str]:
    files = versions.filter(freed_at=None).exclude(files={}).values_list("files", flat=True)
    return {file["name"] for of_one in files.iterator(chunk_size=500) for file in of_one.values()}


def keep_freezes_out() -> None:
    """Let nobody freeze the same content until the transaction ends: SQLite's keeps every writer out anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE curation_version IN SHARE ROW EXCLUSIVE MODE")
