"""A text as the rules read it: headline, body, sentences, words, and what is outside quotation marks."""

import re
from functools import cached_property


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list that is written as text."""
    return tuple(text.split())


# No sentence ends at the full stop of these.
ABBREVIATIONS = words(
    """mr mrs ms dr prof st sr jr rev gen col sgt capt lt gov sen rep hon no vs etc inc ltd co corp approx
    dept est jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e a.m p.m u.s u.k u.n"""
)
# An end mark, closing quotes or brackets, then white space and something that can begin a sentence.
BOUNDARY = re.compile(r"[.!?…]+[\"'”’)\]]*\s+(?=[\"'“‘(\[$€£]*[A-Z0-9])")
LAST_WORD = re.compile(r"([\w.]*?)\.+$")
QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»")


class Prose:
    """A text with a headline, an empty line and a body; other shapes are taken as far as they go."""

    def __init__(self, text: str) -> None:
        self.text = text.strip().replace("\r\n", "\n")

    @cached_property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.split("\n")]

    @property
    def headline(self) -> str:
        return self.lines[0]

    @cached_property
    def body(self) -> str:
        return "\n".join(self.lines[1:]).strip()

    @cached_property
    def sentences(self) -> list[str]:
        """Return the sentences of the body."""
        return sentences(self.body)

    @cached_property
    def all_sentences(self) -> list[str]:
        """Return the headline, as one sentence, and the sentences of the body; of a text without body, its sentences."""
        return [self.headline, *self.sentences] if self.body else sentences(self.text)

    @cached_property
    def unquoted(self) -> str:
        """Return the text with blanks for what is in quotation marks; of the same length."""
        return QUOTED.sub(lambda found: " " * len(found[0]), self.text)

    def starts(self, position: int) -> bool:
        """Return whether a sentence, or the headline, begins at this position of the text."""
        before = self.text[:position].rstrip(" \"'“‘(")
        return not before or before[-1] in ".!?\n:…"

    def around(self, start: int, end: int, margin: int = 25) -> str:
        """Return the words around a place, to show where it is."""
        left = self.text.rfind(" ", 0, max(0, start - margin)) + 1 if start > margin else 0
        right = self.text.find(" ", end + margin)
        right = len(self.text) if right < 0 else right
        cut = " ".join(self.text[left:right].split())
        return ("…" if left else "") + cut + ("…" if right < len(self.text) else "")


def sentences(text: str) -> list[str]:
    """Split a text into sentences; "4.30pm", "$3.5m", "Mr. Frint", initials and quotes do not end one."""
    found, start = [], 0
    for boundary in BOUNDARY.finditer(text):
        if _abbreviates(text[start : boundary.start() + 1]):
            continue
        found.append(text[start : boundary.end()])
        start = boundary.end()
    found.append(text[start:])
    return [" ".join(sentence.split()) for sentence in found if sentence.strip()]


def _abbreviates(sentence: str) -> bool:
    words = sentence.split()
    last = LAST_WORD.search(words[-1].lstrip("\"'“‘(")) if words else None
    if last is None:
        return False
    word = last[1]
    # One capital letter is an initial: "J. Frint".
    return word.lower() in ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I")


def cut(text: str, length: int = 80) -> str:
    """Return the text on one line, shortened to show it."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
