"""Disk usage of a team's runs, in bytes: checkpoints, adapters and the data they were trained on."""

import os

from atelier.accounts.models import Team
from training.models import Run


def runs(team: Team) -> int:
    return sum(_size(str(run.folder)) for run in Run.objects.filter(project__team=team).only("pk"))


def _size(folder: str) -> int:
    """Return the bytes of all files below a folder. Files that are deleted while it counts are left out."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
