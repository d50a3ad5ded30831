"""The kind of rule about spelling."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from curation.scoring.kinds import Fault, KindError
from curation.scoring.prose import Prose


@dataclass(frozen=True)
class Spelling:
    """Checks house spelling: `words` maps wrong to right, `endings` does so for word ends.

    `exceptions` are words that an ending does not mean ("size"). A word with a capital inside a sentence is a name and
    keeps its spelling.
    """

    words: dict[str, str] = field(default_factory=dict)
    endings: dict[str, str] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.words and not self.endings:
            raise KindError("words is missing.")

    @cached_property
    def _right(self) -> dict[str, str]:
        return {wrong.lower(): right for wrong, right in self.words.items()}

    def fault(self, prose: Prose) -> Fault | None:
        for found, right in self._wrong(prose):
            if not _is_name(prose, found):
                return Fault(f"{found[0]!r} is spelled {right!r}.", prose.around(*found.span()))
        return None

    def _wrong(self, prose: Prose) -> Iterator[tuple[re.Match[str], str]]:
        for found in re.finditer(r"[A-Za-z]+", prose.text):
            word = found[0].lower()
            right = self._right.get(word) or self._ending(word)
            if right:
                yield found, right

    def _ending(self, word: str) -> str:
        if word in self.exceptions:
            return ""
        for wrong, right in self.endings.items():
            # Three letters before the ending: "size" and "prize" are no verbs made with it.
            if word.endswith(wrong) and len(word) >= len(wrong) + 3:
                return word[: -len(wrong)] + right
        return ""


def _is_name(prose: Prose, found: re.Match[str]) -> bool:
    if not found[0][0].isupper():
        return False
    following = re.match(r"\s+[A-Z]", prose.text[found.end() :])
    return not prose.starts(found.start()) or following is not None
