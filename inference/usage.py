"""Disk usage of a team's recorded answers, in bytes."""

from django.core.files.storage import default_storage

from atelier.accounts.models import Team
from inference.models import Endpoint


def answers(team: Team) -> int:
    """Return the bytes of a team's recorded answers, those of archived endpoints included."""
    names = Endpoint.objects.filter(project__team=team).exclude(answers="").values_list("answers", flat=True)
    return sum(_size(name) for name in names)


def _size(name: str) -> int:
    """Return the bytes of a file; 0 for one that was deleted in the meantime."""
    try:
        return default_storage.size(name)
    except FileNotFoundError:
        return 0
