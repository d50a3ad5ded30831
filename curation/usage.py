"""Disk usage of a team's uploads, exports and versions, in bytes."""

from django.db.models import Sum

from atelier.accounts.models import Team
from atelier.files import quotas
from atelier.jobs.models import Status
from curation.models import Export, Import, Version


def register() -> None:
    quotas.measure("uploads", imports)
    quotas.measure("exports", exports)
    quotas.measure("versions", versions)


def imports(team: Team) -> int:
    """Return the bytes of a team's imports.

    The file of an import that was cancelled before its first row is already deleted.
    """
    rows = Import.objects.filter(project__team=team).exclude(file="").exclude(status=Status.CANCELLED, done=0)
    return rows.aggregate(size=Sum("size"))["size"] or 0


def exports(team: Team) -> int:
    rows = Export.objects.filter(project__team=team).exclude(file="")
    return rows.aggregate(size=Sum("size"))["size"] or 0


def versions(team: Team) -> int:
    """Return the bytes of a team's versions. Versions of the same content share their files, which count once."""
    rows = Version.objects.filter(project__team=team, freed_at=None).exclude(files={}).values_list("files", flat=True)
    sizes = {file["name"]: int(file["bytes"]) for files in rows.iterator(chunk_size=500) for file in files.values()}
    return sum(sizes.values())
