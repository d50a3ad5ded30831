"""Kinds of rules about words: patterns and words that must not occur, and capitals for effect."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import regex

from curation.scoring.kinds import Fault, KindError
from curation.scoring.prose import Prose, words

MAX_PATTERN = 300
# Seconds for one pattern on one text; a pattern people write takes microseconds, a catastrophic one hours.
PATTERN_SECONDS = 0.1


@dataclass(frozen=True)
class ForbidPattern:
    """Forbids what a regular expression finds; `why` is the sentence shown then."""

    pattern: str = ""
    outside_quotes: bool = False
    ignore_case: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if not self.pattern:
            raise KindError("pattern is missing.")
        if len(self.pattern) > MAX_PATTERN:
            raise KindError(f"the pattern has {len(self.pattern)} characters; at most {MAX_PATTERN} are allowed.")
        try:
            self._compiled  # noqa: B018
        except regex.error as error:
            raise KindError(f"the pattern is not a regular expression: {error}.") from None

    @cached_property
    def _compiled(self) -> Any:
        return regex.compile(self.pattern, regex.IGNORECASE if self.ignore_case else 0)

    def fault(self, prose: Prose) -> Fault | None:
        text = prose.unquoted if self.outside_quotes else prose.text
        try:
            found = self._compiled.search(text, timeout=PATTERN_SECONDS)
        except TimeoutError:
            return Fault("The rule's pattern takes too long on this text. Simplify it.")
        if found is None:
            return None
        why = self.why or f"{found[0].strip()!r} is not allowed."
        return Fault(why, prose.around(*found.span()))


@dataclass(frozen=True)
class ForbidWords:
    """Forbids words and phrases, whatever their case; "us" does not mean the acronym "US"."""

    words: tuple[str, ...] = ()
    outside_quotes: bool = False

    def __post_init__(self) -> None:
        if not self.words:
            raise KindError("words is missing.")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Longest first, so that "game-changing" is found before "game".
        choices = "|".join(re.escape(word) for word in sorted(self.words, key=len, reverse=True))
        return re.compile(rf"(?<![\w-])(?:{choices})(?![\w-])", re.IGNORECASE)

    def fault(self, prose: Prose) -> Fault | None:
        for found in self._pattern.finditer(prose.unquoted if self.outside_quotes else prose.text):
            word = found[0]
            if len(word) == 2 and word.isupper() and word not in self.words:
                continue
            place = " outside a quotation" if self.outside_quotes else ""
            return Fault(f"{word!r} is not used{place}.", prose.around(*found.span()))
        return None


# Short words that are shouted; other capitals of up to three letters are taken for acronyms.
SHOUTED = words(
    """ALL AND ANY ARE BAD BIG BUT BUY CAN CRY DAY DID DO END FAN FAR FOR FREE FUN GET GO GOT HAD HAS HE
    HER HIM HIS HOT HOW IF IN IS IT ITS JOY LET LOT MAD MAN ME MY NEW NO NON NOT NOW OFF OH OLD OMG ON
    ONE OUR OUT OVER OWN RUN SAD SAW SHE SO THE TO TOO TOP TRY TWO UP US WAS WAY WE WHO WHY WIN WON WOW
    YAY YES YET YOU"""
)
ACRONYMS = words(
    """NATO NASA UNESCO UNICEF OPEC IMAX AIDS NASDAQ HTML HTTP JPEG RSPCA RSPB YMCA YWCA ASEAN FIFA UEFA
    WADA COVID CCTV MPEG RADAR ASCII GDPR SARS MERS"""
)


@dataclass(frozen=True)
class NoShouting:
    """Forbids words in capitals for effect; `acronyms` are the capitals that stay besides short and well-known ones."""

    acronyms: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    def fault(self, prose: Prose) -> Fault | None:
        allowed = {*ACRONYMS, *self.acronyms, *self.exceptions}
        for found in re.finditer(r"(?<![\w.])[A-Z]{2,}(?![\w.]*\d)(?!\w)", prose.text):
            word = found[0]
            if word not in allowed and (len(word) > 3 or word in SHOUTED):
                return Fault(f"{word!r} is in capitals.", prose.around(*found.span()))
        return None
