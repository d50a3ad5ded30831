"""The base of all kinds of rules."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from curation.scoring.prose import Prose


class KindError(ValueError):
    """A parameter that a kind of rule cannot use; the message is a sentence."""


@dataclass(frozen=True)
class Fault:
    """The reason why a text breaks a rule, in a sentence, and the words that break it."""

    why: str
    excerpt: str = ""


class RuleKind(Protocol):
    """A kind of rule is a dataclass of its parameters, each with a default, that finds the first fault in a text."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def fault(self, prose: Prose) -> Fault | None: ...
