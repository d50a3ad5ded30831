"""Offsets of spans in Unicode characters, for tools that counted in their own way.

Browsers count UTF-16 units, and lay out CRLF as one line break and HTML as the text that it shows. A span that quotes
its words is believed only if those words are at its place.
"""

import html
import re

NEAR = 200  # characters within which the same words are taken for those meant
TAG_OR_ENTITY = re.compile(r"<[^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")


def place(text: str, start: int, end: int, words: str = "", *, is_html: bool = False) -> tuple[int, int] | None:
    """Return (start, end) in characters of the text, or None if these words are not there."""
    if is_html:
        return _checked(text, _shown(text, start, end), words, is_html=True) or _nearest(text, start, words)
    readings = (lambda: (start, end), lambda: _utf16(text, start, end), lambda: _one_break(text, start, end))
    for reading in readings:
        if checked := _checked(text, reading(), words):
            return checked
    return _nearest(text, start, words) if words else None


def _checked(text: str, place: tuple[int, int] | None, words: str, *, is_html: bool = False) -> tuple[int, int] | None:
    if place is None or not 0 <= place[0] < place[1] <= len(text):
        return None
    marked = text[place[0] : place[1]]
    if is_html:
        marked = html.unescape(re.sub(r"<[^<>]*>", "", marked))
    return place if not words or _plain(marked) == _plain(words) else None


def _plain(text: str) -> str:
    """Return the text without blanks, which tools write in many ways, a line break as the two characters \\n among them."""
    return "".join(text.replace("\\n", " ").split())


def _utf16(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Convert places counted in UTF-16 units, where characters beyond the first plane count twice."""
    units = text.encode("utf-16-le", "surrogatepass")
    if not 0 <= start < end <= len(units) // 2:
        return None
    begin = len(units[: 2 * start].decode("utf-16-le", "replace"))
    return begin, begin + len(units[2 * start : 2 * end].decode("utf-16-le", "replace"))


def _one_break(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Convert places counted with CRLF as one character, in either way of counting the others."""
    places = [n for n, char in enumerate(text) if not (char == "\n" and n and text[n - 1] == "\r")] + [len(text)]
    shorter = text.replace("\r\n", "\n")
    for found in ((start, end), _utf16(shorter, start, end)):
        if found and 0 <= found[0] < found[1] < len(places):
            return places[found[0]], places[found[1] - 1] + 1
    return None


def _shown(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Convert places in the text that HTML shows to places in its source."""
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for match in [*TAG_OR_ENTITY.finditer(text), None]:
        upto = match.start() if match else len(text)
        begins += range(at, upto)
        ends += range(at + 1, upto + 1)
        if match and match[0].startswith("&"):
            shown = html.unescape(match[0])
            begins += [match.start()] * len(shown)
            ends += [match.end()] * len(shown)
        at = match.end() if match else upto
    return (begins[start], ends[end - 1]) if 0 <= start < end <= len(begins) else None


def _nearest(text: str, start: int, words: str) -> tuple[int, int] | None:
    """Find the same words close by; or anywhere, if they occur only once."""
    if not words:
        return None
    places = [match.start() for match in re.finditer(re.escape(words), text)]
    if not places:
        return None
    best = min(places, key=lambda at: abs(at - start))
    return (best, best + len(words)) if len(places) == 1 or abs(best - start) <= NEAR else None
