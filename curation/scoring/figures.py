"""Kinds of rules about figures: numbers, money, percentages, dates and times."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from curation.scoring.kinds import Fault
from curation.scoring.prose import Prose, words

SMALL_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TEENS = "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
MONTHS = "January February March April May June July August September October November December"
SHORT_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sept? Oct Nov Dec"

# With measures figures are demanded; with spans of time both forms are in use, and neither is a fault.
MEASURES = words(
    """mile metre meter kilometre kilometer centimetre millimetre inch foot feet yard acre hectare km cm mm
    mph kph gram kilogram kg kilo pound ounce ton tonne litre liter gallon pint watt kilowatt megawatt
    kilowatt-hour volt degree byte gigabyte megabyte"""
)
TIME_SPANS = words("second minute hour day week month year")
STARTERS = words(
    """The A An And But On In At By From About Over Under More All Some Its Their After Only Just With For
    Then Up Of To Around Nearly Almost Some Between Before Since Until Another Those These Her His Our
    This That"""
)


def _alternatives(words: str | Iterable[str]) -> str:
    return "|".join(words.split() if isinstance(words, str) else words)


SMALL_NUMBER = _alternatives(SMALL_WORDS)
BIG_NUMBER = rf"(?:(?:{_alternatives(TENS)})-(?:{SMALL_NUMBER})|{_alternatives(TENS)}|{_alternatives(TEENS)})"
# "two hundred", "six thousand", "two million"; "hundreds" and "a million" stay words.
ROUND = rf"(?:(?:{SMALL_NUMBER}|{BIG_NUMBER})[ -])(?:hundred|thousand|million|billion)"
NUMBER_WORD = re.compile(rf"(?<![\w-])(?:{ROUND}|{BIG_NUMBER})(?![\w-])", re.IGNORECASE)
# A figure that stands alone: no part of a longer one, of money, of a time, or of a word such as B12 or 5th.
FIGURE = re.compile(r"(?<![\w.,:$€£#/-])([1-9][0-9]{0,2})(?![\w%:/€£]|[.,]\d)")
LONG_FIGURE = re.compile(r"(?<![\w$€£.,])\d{1,3}(?:,\d{3}){2,}(?![\w,])|(?<![\w$€£.,])\d{7,}(?!\w)")


@dataclass(frozen=True)
class Numbers:
    """Checks numbers: up to `words_to` in words, above in figures; with units, ages and in names always figures.

    `units` and `names` add units of measure, and words that make the figure after them part of a name ("Route").
    """

    words_to: int = 10
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def _unit(self) -> str:
        return rf"(?:{_alternatives(map(re.escape, (*MEASURES, *TIME_SPANS, *self.units)))})(?:s|es)?\b"

    def fault(self, prose: Prose) -> Fault | None:
        text = prose.unquoted
        for found in FIGURE.finditer(text):
            if int(found[1]) <= self.words_to and not self._excused(text, found):
                word = SMALL_WORDS[int(found[1]) - 1] if int(found[1]) <= 10 else "words"
                return Fault(f"{found[1]} is written {word!r} here.", prose.around(*found.span()))
        return self._word_fault(prose, text) or self._long_fault(prose, text)

    def _word_fault(self, prose: Prose, text: str) -> Fault | None:
        for found in NUMBER_WORD.finditer(text):
            if found[0][0].islower() or prose.starts(found.start()):
                return Fault(f"{found[0]!r} is written in figures.", prose.around(*found.span()))
        measure = rf"(?<![\w-])(?:{SMALL_NUMBER})[ -](?:{_alternatives((*MEASURES, *self.units))})(?:s|es)?\b"
        with_unit = re.search(measure, text, re.IGNORECASE)
        if with_unit:
            return Fault("With a unit of measure the number is a figure.", prose.around(*with_unit.span()))
        return None

    def _long_fault(self, prose: Prose, text: str) -> Fault | None:
        found = LONG_FIGURE.search(text)
        return found and Fault("Large counts are written as 1.2 million.", prose.around(*found.span()))

    def _excused(self, text: str, found: re.Match[str]) -> bool:
        # A few words on each side decide; the whole text again for each figure would make long texts slow.
        before, after = text[max(0, found.start() - 60) : found.start()], text[found.end() : found.end() + 60]
        return bool(
            re.match(rf"[ -](?:million|billion|{self._unit})", after)
            or re.match(rf" ?(?:to|or|and|-|–) ?[\d.,]+[ -]?{self._unit}", after)
            or self._in_name(before)
            or _is_age(before, after)
        )

    def _in_name(self, before: str) -> bool:
        word = re.search(r"([\w'’]+) $", before)
        if word is None:
            return False
        return word[1] in self.names or (word[1][0].isupper() and word[1] not in STARTERS)


def _is_age(before: str, after: str) -> bool:
    """Return whether a number is an age: "Jasper, 7, …", "aged 8 to 11", "under 6 going free"; not "over 5 shops"."""
    if re.search(r"\b(?:aged?|ages|turn(?:s|ed|ing)?)(?: between)?(?: \d+ (?:to|and|or))? $", before):
        return True
    if re.search(r"\b[A-Z][\w'’-]*, $", before) and re.match(r"[,.]|$", after):
        return True
    following = re.match(r" ([\w'’-]+)", after)
    return bool(re.search(r"\b(?:under|over) $", before)) and not (following and following[1].endswith("s"))


PERCENT = re.compile(r"\bper ?cent\b|\d %", re.IGNORECASE)
CURRENCY_WORD = re.compile(
    r"\b(?:[\d.,]+|[a-z]+(?:-[a-z]+)?|million|billion) (?:dollars?|euros?|bucks|pounds sterling)\b", re.I
)
CURRENCY_CODE = re.compile(r"\b(?:USD|EUR|GBP) ?\d|\d ?(?:USD|EUR|GBP|[€£$])")
SPELLED = re.compile(r"[$€£] ?[\d.,]+[ -]?(?:thousand|million|billion|mn|mln|k\b|K\b|M\b|B\b|b\b|BN\b)")
GAP = re.compile(r"[$€£] \d")
UNGROUPED = re.compile(r"[$€£]\d{4,}(?![\d,]*\d)")
IN_FULL = re.compile(r"[$€£]\d{1,3}(?:,\d{3}){2,}")


@dataclass(frozen=True)
class PercentMoney:
    """Checks that percentages are written as 12%; money as $450, $62,000, $3m, $2bn, likewise € and £."""

    def fault(self, prose: Prose) -> Fault | None:
        return _first(
            prose,
            (PERCENT, "Percentages are written as 12%."),
            (CURRENCY_WORD, "Money is written with its sign, as $450."),
            (CURRENCY_CODE, "Money is written with its sign in front, as $450."),
            (SPELLED, "Millions and billions of money are written as $3m and $2bn."),
            (GAP, "No blank stands between the sign and the sum, as in $450."),
            (IN_FULL, "Millions and billions of money are written as $3m and $2bn."),
            (UNGROUPED, "Thousands are set off by a comma, as in $62,000."),
        )


MONTH = rf"(?:{_alternatives(MONTHS)})"
DAY_FIRST = re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH}\b")
NO_ORDINAL = re.compile(rf"\b{MONTH} (?:the )?\d{{1,2}}(?![\d,.]*\d|st|nd|rd|th|%|[ap]m)\b")
WITH_THE = re.compile(rf"\b{MONTH} the \d")
SHORT_MONTH = re.compile(
    rf"\b(?:{_alternatives(SHORT_MONTHS)})\.? \d|\b\d{{1,2}}(?:st|nd|rd|th)? (?:{_alternatives(SHORT_MONTHS)})\b"
)
SLASHES = re.compile(r"\b\d{1,4}[/-]\d{1,2}[/-]\d{2,4}\b")
ORDINAL = re.compile(
    rf"\b{MONTH} (?:1?\d?(?:1[123])(?:st|nd|rd)|(?:[23]?1(?:nd|rd|th)|2?2(?:st|rd|th)|2?3(?:st|nd|th)))\b"
)
COLON = re.compile(r"\b\d{1,2}:\d{2}\b")
DOTTED = re.compile(r"\b\d{1,2}(?:[.:]\d{2})? ?(?:a\.m|p\.m|A\.M|P\.M)\b")
CAPITALS = re.compile(r"\b\d{1,2}(?:[.:]\d{2})? ?(?:AM|PM|Am|Pm)\b")
APART = re.compile(r"\b\d{1,2}(?:[.:]\d{2})? (?:am|pm)\b")
ZEROS = re.compile(r"\b\d{1,2}\.00(?:am|pm)\b")
CLOCK = re.compile(r"\bo['’]clock\b", re.IGNORECASE)


@dataclass(frozen=True)
class DatesTimes:
    """Checks that dates are written as March 5th; times as 9am, 4.30pm."""

    def fault(self, prose: Prose) -> Fault | None:
        date, time = "Dates are written as March 5th.", "Times are written as 9am or 4.30pm."
        dates = (DAY_FIRST, NO_ORDINAL, WITH_THE, SHORT_MONTH, SLASHES, ORDINAL)
        times = (COLON, DOTTED, CAPITALS, APART, ZEROS, CLOCK)
        return _first(prose, *((each, date) for each in dates), *((each, time) for each in times))


def _first(prose: Prose, *checks: tuple[re.Pattern[str], str]) -> Fault | None:
    for pattern, why in checks:
        found = pattern.search(prose.text)
        if found:
            return Fault(why, prose.around(*found.span()))
    return None
