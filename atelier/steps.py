"""The shell's own step of the loop."""

from atelier import loop


def register() -> None:
    # Nothing waits in the settings, so they show no count.
    loop.register(loop.Step(90, "settings", "Settings", "project_settings", lambda project: 0))
