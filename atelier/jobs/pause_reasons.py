"""Why jobs of before did not run, read from their lines once: for the migrations that give the column `pause_reason`."""

from collections.abc import Callable
from typing import Any

BEGINS = {  # the line of a job that waited, by status and reason
    ("queued", "turn"): "Waiting for its turn",
    ("queued", "disk"): "The disk is full",
    ("paused", "budget"): "The budget is spent",
    ("paused", "check"): "The file is ready",
}


def reading(app: str, *names: str) -> Callable[[Any, Any], None]:
    """Return what a migration runs to give the jobs of these models their reasons."""

    def read(apps: Any, schema_editor: Any) -> None:
        for name in names:
            rows = apps.get_model(app, name)._default_manager.using(schema_editor.connection.alias)
            for (status, reason), beginning in BEGINS.items():
                rows.filter(status=status, line__startswith=beginning).update(pause_reason=reason)
            rows.filter(status="paused", pause_reason="").update(pause_reason="person")

    return read
