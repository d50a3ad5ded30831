"""Templates that people write for a teacher's prompts, parsed and rendered by a child process with limits.

A template may take all time and memory there are (a loop over a text, a text doubled line by line), so none of
Atelier's own processes ever loads one: see `template_process` for the language.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from atelier.processes.sandbox import (
    ChildLimits,
    LimitExceeded,
    SandboxChild,
    TooLong,
    TooMuchMemory,
    TooSlow,
    WorkRefused,
)

TEMPLATE_CHARACTERS = 20_000
LIMITS = ChildLimits(seconds=1.0, wall=20.0, memory=512 << 20, answer=8 << 20)  # for one record
ADVICE = "shorten the template's loops, or leave out long columns"


class PromptError(ValueError):
    """A template that cannot be used, or not for this record. The message states what to change."""


class PromptTooCostly(PromptError):
    """A template that takes more time or memory than a record's prompt may."""


class Template:
    """A checked template and the process that renders it; a context manager. Raises PromptError.

    `look` is called about twice a second while a prompt is waited for, and may raise, as a request to cancel does.
    """

    def __init__(self, text: str, look: Callable[[], object] | None = None) -> None:
        if not text.strip():
            raise PromptError("The template is empty: insert at least one column.")
        if len(text) > TEMPLATE_CHARACTERS:
            raise PromptError(f"The template has more than {TEMPLATE_CHARACTERS:,} characters. Shorten it.")
        self._child = SandboxChild("curation.distillation.template_process", json.dumps(text).encode(), LIMITS, look)
        try:
            self._child.start()
        except (WorkRefused, LimitExceeded) as error:
            raise _explained(error, "The template") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._child.close()

    @property
    def columns(self) -> list[str]:
        """Return the names that the template uses, sorted."""
        names: list[str] = json.loads(self._child.ask(b"null"))
        return names

    def render(self, columns: Mapping[str, Any]) -> str:
        """Return the prompt for one record. Raises PromptError naming an unknown column and the known ones."""
        prompt = next(self.render_all([columns]))
        if isinstance(prompt, PromptError):
            raise prompt
        return prompt

    def render_all(self, records: Iterable[Mapping[str, Any]]) -> Iterator[str | PromptError]:
        """Yield the prompt for each record's columns, or why it has none. The child works ahead of the consumer."""
        try:
            for reply in self._child.each(json.dumps(dict(columns)).encode() for columns in records):
                yield json.loads(reply) if isinstance(reply, bytes) else _explained(reply, "The template")
        except (
            WorkRefused,
            LimitExceeded,
        ) as error:  # of a fresh child, which may lack memory for what the first one could do
            raise _explained(error, "The template") from error


def _explained(error: WorkRefused | LimitExceeded, subject: str) -> PromptError:
    """Return the error in words about templates."""
    if isinstance(error, WorkRefused):
        return PromptError(str(error))
    if isinstance(error, TooSlow):
        return PromptTooCostly(f"{subject} takes more than {LIMITS.seconds:g} second for this record: {ADVICE}.")
    if isinstance(error, TooMuchMemory):
        return PromptTooCostly(f"{subject} needs more than {LIMITS.memory >> 20} MB for this record: {ADVICE}.")
    if isinstance(error, TooLong):
        return PromptTooCostly(f"{subject} produces too long a prompt for this record: {ADVICE}.")
    return PromptTooCostly(f"{subject} cannot be filled in for this record. {error}")
