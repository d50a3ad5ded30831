"""Where a span lies in its text, in Unicode characters, though the tool may have counted in its own way.

Browsers count UTF-16 units, and lay out CRLF as one line break and HTML as the text that it shows. A span that says which
words it marks is believed only where those words stand.
"""

import html
import re

NEAR = 200  # characters within which the same words are taken for those meant
TAG_OR_ENTITY = re.compile(r"<[^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")


def place(text: str, start: int, end: int, said: str = "", *, is_html: bool = False) -> tuple[int, int] | None:
    """(start, end) in characters of the text, or None when these words do not stand there."""
    if is_html:
        return _checked(text, _shown(text, start, end), said, is_html=True) or _nearest(text, start, said)
    readings = (lambda: (start, end), lambda: _utf16(text, start, end), lambda: _one_break(text, start, end))
    for reading in readings:
        if found := _checked(text, reading(), said):
            return found
    return _nearest(text, start, said) if said else None


def _checked(text: str, found: tuple[int, int] | None, said: str, *, is_html: bool = False) -> tuple[int, int] | None:
    if found is None or not 0 <= found[0] < found[1] <= len(text):
        return None
    marked = text[found[0] : found[1]]
    if is_html:
        marked = html.unescape(re.sub(r"<[^<>]*>", "", marked))
    return found if not said or _plain(marked) == _plain(said) else None


def _plain(text: str) -> str:
    """Without blanks, which tools write in many ways, a line break as the two characters \\n among them."""
    return "".join(text.replace("\\n", " ").split())


def _utf16(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Places counted in UTF-16 units, where characters beyond the first plane count twice."""
    units = text.encode("utf-16-le", "surrogatepass")
    if not 0 <= start < end <= len(units) // 2:
        return None
    begin = len(units[: 2 * start].decode("utf-16-le", "replace"))
    return begin, begin + len(units[2 * start : 2 * end].decode("utf-16-le", "replace"))


def _one_break(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Places counted with CRLF as one character, in either way of counting the others."""
    places = [n for n, char in enumerate(text) if not (char == "\n" and n and text[n - 1] == "\r")] + [len(text)]
    shorter = text.replace("\r\n", "\n")
    for found in ((start, end), _utf16(shorter, start, end)):
        if found and 0 <= found[0] < found[1] < len(places):
            return places[found[0]], places[found[1] - 1] + 1
    return None


def _shown(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Places in the text that HTML shows, as places in its source."""
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


def _nearest(text: str, start: int, said: str) -> tuple[int, int] | None:
    """The same words close by; or anywhere, when they stand there once only."""
    if not said:
        return None
    found = [match.start() for match in re.finditer(re.escape(said), text)]
    if not found:
        return None
    best = min(found, key=lambda at: abs(at - start))
    return (best, best + len(said)) if len(found) == 1 or abs(best - start) <= NEAR else None
