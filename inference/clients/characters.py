"""Characters that servers send as two halves, each written by itself."""

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # two halves of one character


def joined(text: str) -> str:
    """Return the text with halves that stand beside each other as the character that they are."""
    return _PAIR.sub(_join, text)


def _join(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
