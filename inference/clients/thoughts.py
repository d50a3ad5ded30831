"""Thoughts inside a visible text: `<think>…</think>` and `[THINK]…[/THINK]`, parted from the answer, also piece by piece."""

import re

TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}
_OPENING = re.compile("|".join(re.escape(tag) for tag in TAGS))
# An end tag that is not quoted: texts about such tags exist.
_ENDING = re.compile(r"""(?<![`"'“‘])(?:</think>|</thinking>|\[/THINK\])(?![`"'”’])""")
_FENCE = "```"


class ThoughtSplitter:
    """Parts a text into thoughts and answer while it comes. What may be the begin of a tag is held back.

    Thoughts begin with the text, or at the begin of a line outside of code.
    """

    def __init__(self) -> None:
        self.found = False  # thoughts
        self._held = ""
        self._ending = ""  # of the thoughts that are open
        self._line = ""  # the answer's last line so far
        self._is_code = False  # at the begin of that line
        self._is_begin = True  # nothing of the answer can be seen yet

    def feed(self, piece: str) -> tuple[str, str]:
        """Return (text, thoughts) that are certain now."""
        text, thoughts = [], []
        rest = self._held + piece
        while rest:
            if self._ending:
                before, tag, after = rest.partition(self._ending)
                keep = 0 if tag else _begun(rest, (self._ending,))
                thoughts.append(before[: len(before) - keep])
                self._ending, rest = ("", after) if tag else (self._ending, "")
                self._held = before[len(before) - keep :] if keep else ""
            elif (opening := self._opening(rest)) is not None:
                text.append(self._seen(rest[: opening.start()]))
                self.found, self._ending, rest = True, TAGS[opening[0]], rest[opening.end() :]
                self._held = ""
            else:
                keep = _begun(rest, tuple(TAGS))
                text.append(self._seen(rest[: len(rest) - keep]))
                self._held, rest = rest[len(rest) - keep :], ""
        return "".join(text), "".join(thoughts)

    def end(self) -> tuple[str, str]:
        """Return (text, thoughts) that were held back: no more comes."""
        held, self._held = self._held, ""
        return ("", held) if self._ending else (self._seen(held), "")

    def _opening(self, rest: str) -> re.Match[str] | None:
        for match in _OPENING.finditer(rest):
            lines, _, line = (self._line + rest[: match.start()]).rpartition("\n")
            is_begin = self._is_begin and not rest[: match.start()].strip()
            is_code = self._is_code != (lines.count(_FENCE) % 2 == 1)
            if not line.strip() and not is_code and (is_begin or match[0] != "<thinking>"):
                return match
        return None

    def _seen(self, text: str) -> str:
        """Note a piece of the answer; the white space between thoughts and answer belongs to neither."""
        if self.found and self._is_begin:
            text = text.lstrip()
        self._is_begin = self._is_begin and not text.strip()
        lines, _, self._line = (self._line + text).rpartition("\n")
        self._is_code ^= lines.count(_FENCE) % 2 == 1
        return text


def _begun(text: str, tags: tuple[str, ...]) -> int:
    """Return how many characters at the end of a text may begin a tag."""
    most = min(len(text), max(map(len, tags)) - 1)
    return next((count for count in range(most, 0, -1) if any(tag.startswith(text[-count:]) for tag in tags)), 0)


def without_opening(text: str) -> tuple[str, str]:
    """Part a text whose thoughts have an end tag alone, because the template wrote the first one. Returns (text, thoughts)."""
    ending = _ENDING.search(text)
    if ending is None or _OPENING.search(text[: ending.start()]) or text[: ending.start()].count(_FENCE) % 2:
        return text, ""
    return text[ending.end() :].lstrip(), text[: ending.start()].strip()


def part(text: str) -> tuple[str, str]:
    """Return (answer, thoughts) of a whole text."""
    splitter = ThoughtSplitter()
    (seen, thought), (last, late) = splitter.feed(text), splitter.end()
    if splitter.found:
        return seen + last, (thought + late).strip()
    return without_opening(text)
