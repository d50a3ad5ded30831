"""Cheap checks of a text, beyond a conversation's rules: each a function of the text, by a code with its title."""

import operator
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ftfy.badness import is_bad

from curation.chat import Problem
from curation.checks.markup import CODE, find_leftover, find_page

Severity = Literal["warning", "error"]
# Of longer texts the beginning is looked at: enough to see what is wrong.
LOOKED_AT = 100_000
SUSPECT = re.compile(r"[^\x00-\x7f]{2,}|Ã")
SEARCHED = 20_000
BLANK_LINE = re.compile(r"\n\s*\n")
MEASURE = re.compile(r'\d"')
END = re.compile(r"[.!?]\s")
STUTTER = re.compile(r"\b([^\W\d_]+)(?: \1){4}\b")
BRACKET = re.compile(r"[()\[\]{}]")
CLOSES = {")": "(", "]": "[", "}": "{"}
# A run of brackets is tried from its beginning alone: from each of them it takes the square of the time.
SMILEY = re.compile(r"(?:[:;=8xX][-o^']?[()\[\]{}]+|(?<![()\[\]])[()\[\]]+[-o^']?[:;=])(?!\w)")
LIST_MARK = re.compile(r"(?:^|(?<=\s))(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})\)(?=\s|$)")
LONG_ENOUGH = 800  # characters: shorter texts pack badly or well by chance
MONOTONOUS = 1 / 6
REPEATS = 3
LONG = 20


@dataclass(frozen=True)
class TextCheck:
    """A check of a text: `find` returns the part of the text that is wrong, or nothing."""

    code: str
    title: str
    sentence: str  # what is wrong and what to do; {} holds the part
    severity: Severity
    find: Callable[[str], str]
    fixable: bool = False


def check_text(text: str, where: str = "") -> list[Problem]:
    """Return the problems of one text, each code once."""
    text = text[:LOOKED_AT]
    problems = []
    for each in CHECKS.values():
        if found := each.find(text):
            shown = each.sentence.format(f"“{found[:60]}”")
            problems.append(Problem(each.code, shown, where, each.fixable, each.severity))
    return problems


def find_mojibake(text: str) -> str:
    """Find text read in a wrong encoding, such as “cafÃ©”; or U+FFFD, where a character was lost."""
    if text.isascii():
        return ""
    if (at := text.find("\ufffd")) >= 0:
        return text[max(0, at - 10) : at + 10]
    # Bytes of one character read as several give neighbours beyond ASCII; looking closely costs a hundred times more.
    for place in SUSPECT.finditer(text[:SEARCHED]):
        around = text[max(0, place.start() - 10) : place.end() + 10]
        if is_bad(around):
            return around
    return ""


def find_open_quote(text: str) -> str:
    """Find the line of a paragraph with an odd number of straight quotes, or with curly ones that do not pair.

    A quotation may continue in the next line: many texts are broken at a width.
    """
    if not any(mark in text for mark in '"“”«»„'):
        return ""
    for paragraph in BLANK_LINE.split(CODE.sub("", text)):
        if not _quotes_pair(paragraph):
            wrong = (line for line in paragraph.split("\n") if not _quotes_pair(line))
            return next(wrong, paragraph).strip()
    return ""


def _quotes_pair(paragraph: str) -> bool:
    return _straight_pair(paragraph) and _curly_pair(paragraph)


def _straight_pair(paragraph: str) -> bool:
    # 6" and 5'10" are measures, but "42" is a quotation: either reading may make them even.
    return paragraph.count('"') % 2 == 0 or MEASURE.sub("", paragraph).count('"') % 2 == 0


def _curly_pair(paragraph: str) -> bool:
    if "“" not in paragraph and "„" not in paragraph and paragraph.count("”") % 2 == 0:
        return paragraph.count("«") == paragraph.count("»")  # Swedish and Finnish open with what they close with.
    if "„" in paragraph:  # German closes with what English opens with.
        return paragraph.count("„") == paragraph.count("“") + paragraph.count("”")
    return paragraph.count("“") == paragraph.count("”") and paragraph.count("«") == paragraph.count("»")


def find_repetition(text: str) -> str:
    """Find a sentence or line of twenty characters or more that occurs three times; or a word five times in a row."""
    outside = CODE.sub("", text) if "`" in text else text
    for pieces in (END.split(outside), outside.split("\n")):
        if len(pieces) - len(set(pieces)) >= REPEATS - 1 and (piece := _repeated(pieces)):
            return piece
    words = outside.split()
    # The pattern is slow, so only where a word stands twice in a row at all.
    stutter = STUTTER.search(outside) if any(map(operator.eq, words, words[1:])) else None
    return stutter[0] if stutter else ""


def _repeated(pieces: list[str]) -> str:
    counts = Counter(piece.strip() for piece in pieces)
    often = (piece for piece, count in counts.items() if count >= REPEATS and len(piece) >= LONG)
    return next((piece for piece in often if any(character.isalpha() for character in piece)), "")


def find_open_bracket(text: str) -> str:
    """Find the first bracket that is closed wrongly or never; smileys, list marks such as "a)" and code do not count."""
    if not any(bracket in text for bracket in "()[]{}"):
        return ""
    outside = LIST_MARK.sub(" ", SMILEY.sub(" ", CODE.sub(" ", text) if "`" in text else text))
    waiting: list[tuple[str, int]] = []
    for match in BRACKET.finditer(outside):
        if match[0] in CLOSES:
            if not waiting or waiting.pop()[0] != CLOSES[match[0]]:
                return outside[max(0, match.start() - 30) : match.end() + 10].strip()
        else:
            waiting.append((match[0], match.start()))
    return outside[waiting[-1][1] :][:40].strip() if waiting else ""


def find_monotony(text: str) -> str:
    """Find a text of some length that compresses to a sixth of its size: it repeats the same words over and over."""
    if len(text) < LONG_ENOUGH:
        return ""
    data = text[:SEARCHED].encode("utf-8", "replace")
    return text[:60] if len(zlib.compress(data, 1)) < len(data) * MONOTONOUS else ""


def find_blank(text: str) -> str:
    """Find a text with nothing to read. The part returned is the emptiness itself."""
    return "" if text.strip() else " "


CHECKS: dict[str, TextCheck] = {
    each.code: each
    for each in (
        TextCheck("blank-text", "Empty text", "The text is empty. Write it, or remove it.", "error", find_blank),
        TextCheck(
            "mojibake", "Broken characters",
            "{} was read in a wrong encoding. Fix its characters.", "warning", find_mojibake, True,
        ),
        TextCheck(
            "html", "Leftover HTML",
            "The text is HTML, from {} to its end. Turn it into plain text.", "warning", find_page, True,
        ),
        TextCheck(
            "html-part", "HTML within a text",
            "{} may be left over from a web page. Remove it, unless it is meant to be read.", "warning", find_leftover,
        ),
        TextCheck(
            "open-quote", "Unbalanced quotes",
            "A quotation is opened and not closed, or closed and not opened, in {}.", "warning", find_open_quote,
        ),
        TextCheck(
            "repetition", "Repetition",
            "{} is repeated many times. Shorten the text.", "warning", find_repetition,
        ),
        TextCheck(
            "open-bracket", "Unbalanced brackets",
            "A bracket is opened and not closed, or closed and not opened, at {}.", "warning", find_open_bracket,
        ),
        TextCheck(
            "monotony", "Low information",
            "The text that begins with {} repeats itself. Shorten it.", "warning", find_monotony,
        ),
    )
}  # fmt: skip
