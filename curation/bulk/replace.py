"""Find and replace in the texts of many records. Patterns come from people and may never end, so a child process runs them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from atelier.processes.sandbox import (
    ChildLimits,
    LimitExceeded,
    SandboxChild,
    TooLong,
    TooMuchMemory,
    TooSlow,
    WorkRefused,
)
from curation.patterns import BROKEN, LONG, BadPattern, Replacement, put

MOST_FIND, MOST_REPLACE = 1000, 10_000
# For the texts of one record, which may be tens of megabytes.
LIMITS = ChildLimits(seconds=1.0, wall=20.0, memory=768 << 20, answer=64 << 20)
SLOW = "The pattern takes more than a second here. Simplify it."


@dataclass(frozen=True)
class ReplacedTexts:
    """The texts of one record after replacing, or why it was left as it is."""

    texts: list[str]
    error: str = ""


class Replacer:
    """Replaces in the texts of many records.

    A plain text is replaced here, a pattern by a child process that is killed when it hangs.
    """

    def __init__(self, replacement: Replacement, look: Callable[[], object] | None = None) -> None:
        """Start a child process if the search is a pattern. Raises BadPattern.

        `look` is called about twice a second while waiting for texts, and may raise.
        """
        self.replacement = replacement
        self._child: SandboxChild | None = None
        if replacement.regex:
            self._child = _child(replacement, look)
        else:
            self._pattern = replacement.pattern()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.close()

    def put(self, texts: Sequence[str]) -> ReplacedTexts:
        """Replace in all texts of one record, in their order."""
        if self._child is not None:
            return _asked(self._child, texts)
        try:
            return ReplacedTexts([put(self._pattern, self.replacement.replace, False, text) for text in texts])
        except ValueError as error:
            return ReplacedTexts(list(texts), str(error))


def _child(replacement: Replacement, look: Callable[[], object] | None) -> SandboxChild:
    """Start a child process that has read the pattern. Raises BadPattern."""
    child = SandboxChild("curation.patterns", json.dumps(asdict(replacement)).encode(), LIMITS, look)
    try:
        child.start()
    except (WorkRefused, LimitExceeded) as error:
        raise BadPattern(_words(error)) from error
    return child


def _asked(child: SandboxChild, texts: Sequence[str]) -> ReplacedTexts:
    try:
        answer = json.loads(child.ask(json.dumps(list(texts)).encode()))
    except LimitExceeded as error:
        return ReplacedTexts(list(texts), _words(error))  # the next record gets a fresh one
    except WorkRefused as error:
        raise BadPattern(str(error)) from error
    return ReplacedTexts(list(texts), answer["error"]) if answer.get("error") else ReplacedTexts(answer["texts"])


def _words(error: WorkRefused | LimitExceeded) -> str:
    known: dict[type[Exception], str] = {TooSlow: SLOW, TooMuchMemory: BROKEN, TooLong: LONG}
    return known.get(type(error), str(error))
