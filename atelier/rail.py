"""The shell's own step of the loop in the rail."""

from atelier import registry


def register() -> None:
    # Nothing waits in the settings, so they show no count.
    registry.register(registry.Step(90, "settings", "Settings", "project_settings", lambda project: 0))
