"""Quotas of a team: its disk usage and its uploads per day. A limit of 0 is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from atelier.accounts.models import Project, Team, Upload

MB = 2**20
DAY = timedelta(hours=24)
HELD = timedelta(hours=1)  # an upload that is not settled by then broke off: no room is held for it
KEPT = timedelta(hours=48)
_measures: dict[str, Callable[[Team], int]] = {}  # what: bytes that a team has of it


@dataclass(frozen=True)
class Usage:
    """A team's disk usage: in total, of which limit (0: no limit), and by what."""

    used: int
    limit: int
    parts: dict[str, int]

    @property
    def percent(self) -> float | None:
        """Return 0 to 100, or None without a limit."""
        return min(100.0, 100.0 * self.used / self.limit) if self.limit else None


def measure(what: str, size: Callable[[Team], int]) -> None:
    """Register what an app stores on the disk for a team, in bytes. Called by every app once, when Django is ready."""
    _measures[what] = size


def usage(team: Team) -> Usage:
    return _usage({what: size(team) for what, size in _measures.items()})


def _usage(parts: dict[str, int]) -> Usage:
    return Usage(sum(parts.values()), settings.TEAM_DISK_BYTES, parts)


def uploaded(team: Team) -> int:
    """Return the bytes that a team uploaded within the last 24 hours, those of refused files included."""
    return _sum(Upload.objects.filter(team=team, at__gt=timezone.now() - DAY))


def refuse_disk(project: Project) -> None:
    """Raise ValidationError when the project's team has used up its disk quota."""
    if settings.TEAM_DISK_BYTES and (now := usage(project.team)).used >= now.limit:
        raise _disk_refused(now)


def count_upload(project: Project, size: int) -> Upload:
    """Count an upload before anybody looks at it, and reserve space for it on the disk until it is settled.

    Raises ValidationError when it is too much for the team's disk quota or for its day; then it isn't counted. Call it
    outside of any transaction: simultaneous uploads see only what is committed.
    """
    team, lately = project.team, Upload.objects.filter(team=project.team, at__gt=timezone.now() - HELD)
    # Folders are measured before the lock, for that may take a while: what was settled before is in what is measured.
    # All else of the ledger may not be, so it is added.
    settled = _sum(lately.filter(settled=True))
    parts = usage(team).parts if settings.TEAM_DISK_BYTES else {}
    with transaction.atomic(durable=True):
        list(Team.objects.select_for_update(no_key=True).filter(pk=team.pk).values_list("pk"))
        _refuse_disk_for(size, _usage(parts | {"uploads in progress": _sum(lately) - settled}))
        _refuse_day_for(size, uploaded(team))
        return Upload.objects.create(team=team, size=size)


@contextmanager
def uploading(project: Project, size: int) -> Iterator[Upload]:
    """Count an upload as `count_upload` does; within the context the upload is looked at, and kept or refused."""
    upload = count_upload(project, size)
    try:
        yield upload
    finally:
        upload.settle()


def sweep() -> None:
    """Delete uploads that no longer count towards any day."""
    Upload.objects.filter(at__lt=timezone.now() - KEPT).delete()


def _refuse_disk_for(adding: int, now: Usage) -> None:
    if now.limit and now.used + adding > now.limit:
        raise _disk_refused(now, adding)


def _disk_refused(now: Usage, adding: int = 0) -> ValidationError:
    parts = ", ".join(f"{what} {shown(size)}" for what, size in sorted(now.parts.items(), key=_largest) if size)
    return ValidationError(
        f"Your team uses {shown(now.used)} of its {shown(now.limit)} of disk ({parts or 'nothing yet'})"
        + (f", and this needs {shown(adding)} more" if adding else "")
        + ". Delete exports, datasets or projects that you no longer need, then try again."
    )


def _refuse_day_for(adding: int, today: int) -> None:
    limit = settings.TEAM_UPLOAD_BYTES_A_DAY
    if limit and today + adding > limit:
        raise ValidationError(
            f"Your team can upload {shown(limit)} a day. It uploaded {shown(today)} in the last 24 hours, and this is "
            f"{shown(adding)}. Try again tomorrow, or import from a URL, a bucket or a folder on the server."
        )


def _sum(uploads: QuerySet[Upload]) -> int:
    return uploads.aggregate(total=Sum("size"))["total"] or 0


def shown(size: int) -> str:
    """Format bytes for people: 1.5 GB, 200 MB."""
    if size >= 1024 * MB:
        return f"{size / 1024 / MB:,.1f} GB"
    return f"{size / MB:,.0f} MB" if size >= MB else f"{size / 1024:,.0f} kB"


def _largest(part: tuple[str, int]) -> int:
    return -part[1]
