"""What a kind of rule is."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from inference.scoring.prose import Prose


class KindError(ValueError):
    """A parameter that a kind cannot use; the message is a sentence."""


@dataclass(frozen=True)
class Fault:
    """Why a text breaks a rule, in a sentence, and the words that break it."""

    why: str
    excerpt: str = ""


class Kind(Protocol):
    """A kind of rule is a dataclass of its parameters, each with a default, that finds the first fault in a text."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def fault(self, prose: Prose) -> Fault | None: ...
