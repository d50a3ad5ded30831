"""Offsets of spans in Unicode characters, for tools that counted in their own way.

Browsers count UTF-16 units, servers bytes, and some take CRLF for one line break, composed letters for one character, or
the text without the white space that it begins with. A span is believed only where its words are; where a tool quotes
none, only as whole words.
"""

import html
import re
import unicodedata
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, product
from typing import NamedTuple

from curation.spans import joined

Place = tuple[int, int]
TAG_OR_ENTITY = re.compile(r"<[^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")
UNITS = {
    "characters": "Unicode characters", "utf-16": "UTF-16 units, as browsers count them", "bytes": "bytes",
    "composed": "composed characters",
}  # fmt: skip


class Counting(NamedTuple):
    """A way of counting places in a text."""

    unit: str = "characters"
    one_break: bool = False  # CRLF is one character
    trimmed: bool = False  # without the white space that the text begins with

    @property
    def name(self) -> str:
        return "+".join([self.unit, *(["lf"] if self.one_break else []), *(["trimmed"] if self.trimmed else [])])

    @property
    def words(self) -> str:
        """Return how it counts, as the end of a sentence."""
        more = [", with CRLF as one"] if self.one_break else []
        return UNITS[self.unit] + "".join(
            more + ([", without the white space at the beginning"] if self.trimmed else [])
        )


# In the order of preference: the simplest first.
COUNTINGS = tuple(Counting(unit, lf, trimmed) for trimmed, lf, unit in product((False, True), (False, True), UNITS))
BY_NAME = {counting.name: counting for counting in COUNTINGS}


class CountingSurvey:
    """Sees the spans of a file, and then says in which way all of them were counted."""

    def __init__(self, first: str = "characters") -> None:
        """Prefer the unit `first` where several ways fit alike."""
        self.order = sorted(COUNTINGS, key=lambda counting: (counting.trimmed, counting.one_break, counting.unit != first))  # fmt: skip
        self.fits: Counter[str] = Counter()
        self.seen = 0

    def see(self, text: str, start: int, end: int, words: str = "", *, is_html: bool = False) -> None:
        """See a span. Only one that could be in several places tells them apart."""
        shown = _shown(text).text if is_html else text
        if len(_readings(shown, start, end)) == 1:
            return
        fitting = [counting.name for counting in COUNTINGS if _fit(shown, start, end, words, counting)]
        if fitting:
            self.seen += 1
            self.fits.update(fitting)

    def add(self, other: "CountingSurvey") -> None:
        self.seen += other.seen
        self.fits.update(other.fits)

    def decided(self) -> list[str]:
        """Return the names of the ways to read the file's spans: one if it fits all, else all that fit some, best first."""
        if not self.seen:
            return []
        for counting in self.order:
            if self.fits[counting.name] == self.seen:
                return [counting.name]
        some = [counting for counting in self.order if self.fits[counting.name]]
        return [counting.name for counting in sorted(some, key=lambda counting: -self.fits[counting.name])]


def note_of(countings: Sequence[str]) -> str:
    """Describe how a file's spans were counted; empty if they were counted as here."""
    if not countings or list(countings) == ["characters"]:
        return ""
    ways = [BY_NAME[name].words for name in countings if name in BY_NAME]
    if len(ways) == 1:
        return f"Its spans are counted in {ways[0]}, and are converted."
    return f"Its spans are counted in different ways ({'; '.join(ways)}), so each is read where its words are."


def place(
    text: str, start: int, end: int, words: str = "", *, is_html: bool = False, countings: Iterable[str] = ()
) -> Place | None:
    """Return (start, end) in characters of the text, or None if these words are not there in any way of counting.

    `countings` are the ways to try, in this order; without any all are tried, the simplest first.
    """
    shown = _shown(text) if is_html else None
    ways = [BY_NAME[name] for name in countings if name in BY_NAME]
    found = _found(shown.text if shown else text, start, end, words, ways)
    return shown.source(found) if shown and found else found


def _found(text: str, start: int, end: int, words: str, ways: list[Counting]) -> Place | None:
    readings = _readings(text, start, end)
    if not words and len(readings) == 1:
        return readings.pop()  # however it was counted
    for counting in ways or COUNTINGS:
        if fitting := _fit(text, start, end, words, counting):
            return fitting
    return None


def _readings(text: str, start: int, end: int) -> set[Place | None]:
    """Return the places that the ways of counting read; of most texts they are one."""
    is_plain = text.isascii() and "\r\n" not in text and not text[:1].isspace()
    return {_read(text, start, end, counting) for counting in (COUNTINGS[:1] if is_plain else COUNTINGS)}


def _fit(text: str, start: int, end: int, words: str, counting: Counting) -> Place | None:
    """Return the place if the words are there, perhaps without the white space around them; or if it is of whole words."""
    read = _read(text, start, end, counting)
    if read is None:
        return None
    marked = text[slice(*read)]
    if not words:
        whole = marked.strip() == marked and not joined(text, read[0]) and not joined(text, read[1])
        return read if whole else None
    if _plain(marked) != _plain(words) or (not words.strip() and marked != words):
        return None
    if marked.strip() == marked or words.strip() != words:
        return read
    begin = read[0] + len(marked) - len(marked.lstrip())
    return begin, begin + len(marked.strip())


def _plain(text: str) -> str:
    """Return the text without blanks, which tools write in many ways, a line break as the two characters \\n among them."""
    return unicodedata.normalize("NFC", "".join(text.replace("\\n", " ").split()))


def _read(text: str, start: int, end: int, counting: Counting) -> Place | None:
    """Convert places counted in one way; None for what is no place, or within a character."""
    edges, first = _edges(text, counting)
    if not 0 <= start < end <= edges[-1]:
        return None
    # What counts nothing belongs to the character before it.
    begin, until = bisect_right(edges, start) - 1, bisect_right(edges, end) - 1
    if edges[begin] != start or edges[until] != end or begin == until:
        return None
    return first + begin, first + until


@lru_cache(maxsize=64)
def _edges(text: str, counting: Counting) -> tuple["array[int]", int]:
    """Return the counted place of each character from the first that counts, and of the end; and which is the first."""
    first = len(text) - len(text.lstrip().lstrip("\ufeff").lstrip()) if counting.trimmed else 0
    # Four bytes for each character: as a list, those of one long text would take gigabytes for all ways of counting.
    return array("I", accumulate(_widths(text[first:], counting), initial=0)), first


def _widths(text: str, counting: Counting) -> list[int]:
    if counting.unit == "utf-16":
        widths = [1 + (char > "\uffff") for char in text]
    elif counting.unit == "bytes":
        widths = [len(char.encode("utf-8", "surrogatepass")) for char in text]
    elif counting.unit == "composed":
        widths = _composed(text)
    else:
        widths = [1] * len(text)
    if counting.one_break:
        for match in re.finditer("\r\n", text):
            widths[match.end() - 1] = 0
    return widths


def _composed(text: str) -> list[int]:
    """Return 1 for each character of the composed text (NFC) at the beginning of what it is composed from, else 0."""
    if unicodedata.is_normalized("NFC", text):
        return [1] * len(text)
    widths: list[int] = []
    at = 0
    for end in [n for n in range(1, len(text)) if not unicodedata.combining(text[n])] + [len(text)]:
        composed = len(unicodedata.normalize("NFC", text[at:end]))
        widths += [composed, *[0] * (end - at - 1)]
        at = end
    return widths


class _Shown(NamedTuple):
    """The text that HTML shows, and where each of its characters begins and ends in the source."""

    text: str
    begins: list[int]
    ends: list[int]

    def source(self, place: Place) -> Place:
        return self.begins[place[0]], self.ends[place[1] - 1]


@lru_cache(maxsize=8)
def _shown(text: str) -> _Shown:
    shown: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for match in [*TAG_OR_ENTITY.finditer(text), None]:
        upto = match.start() if match else len(text)
        shown.append(text[at:upto])
        begins += range(at, upto)
        ends += range(at + 1, upto + 1)
        if match and match[0].startswith("&"):
            said = html.unescape(match[0])
            shown.append(said)
            begins += [match.start()] * len(said)
            ends += [match.end()] * len(said)
        at = match.end() if match else upto
    return _Shown("".join(shown), begins, ends)
