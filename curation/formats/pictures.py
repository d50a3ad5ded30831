"""Pictures of a column beside the text: they become image parts at their marks, or before the first question."""

import re
from bisect import bisect_right
from typing import Any

from curation.chat import Message
from curation.checks.turns import CODE, MARK
from curation.formats.cells import is_empty, json_in
from curation.formats.conversations import Notes, row_error, shown

ADDRESSES = ("url", "image_url", "path", "image", "file_name", "src")  # keys of an object that is a picture
# How the bytes of each kind begin in base 64.
ENCODED = {"/9j/": "jpeg", "iVBORw0KGgo": "png", "R0lGOD": "gif", "UklGR": "webp"}
NAMED = re.compile(r"(?i)(https?://|data:image/|s3://|gs://|file://)|.+\.(jpe?g|png|gif|webp|bmp|tiff?|heic|avif|svg)$")
BEFORE = "Pictures without a mark of their place were put before the first question."
ENCODED_SHORT = 64  # characters: no picture is smaller


def pictures_in(value: Any, column: str) -> list[dict[str, Any]]:
    """Return the pictures of a cell as image parts. Raises RowError for what is no address of one."""
    value = json_in(value) or value if isinstance(value, str) else value
    values = value if isinstance(value, list) else [value]
    return [_part(one, column) for one in values] if not is_empty(value) else []


def _part(value: Any, column: str) -> dict[str, Any]:
    address = address_of(value)
    if not address:
        said = f"“{column}” holds {shown(value)}, which isn't the address of a picture."
        raise row_error("no-picture", said)
    return {"type": "image_url", "image_url": address}


def address_of(value: Any) -> str:
    """Return the address of a picture, one in base 64 as a data URI; empty for what is no picture."""
    if isinstance(value, dict):
        return next((found for key in ADDRESSES if (found := address_of(value.get(key)))), "")
    if not isinstance(value, str) or not value.strip():
        return ""
    if len(value) > ENCODED_SHORT:
        kind = next((kind for start, kind in ENCODED.items() if value.startswith(start)), "")
        return f"data:image/{kind};base64,{value}" if kind else value
    return value.strip()


def is_picture(value: Any) -> bool:
    """Return whether a value names a picture beyond doubt: by its address, its file's name or its bytes."""
    values = (json_in(value) or value) if isinstance(value, str) else value
    values = values if isinstance(values, list) else [values]
    addresses = [address_of(one) for one in values]
    return bool(addresses) and all(NAMED.match(address) for address in addresses)


def placed(messages: list[Message], pictures: list[dict[str, Any]], notes: Notes) -> list[Message]:
    """Return the messages with pictures in the places that are marked for them.

    Pictures without any mark come before the first question. Where marks and pictures do not match, the marks stay in
    the text beside the pictures, so that the checks find both.
    """
    asked = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    marks = {place: count for place in asked if (count := _count(messages[place].get("content")))}
    if not pictures:
        return messages
    if not asked:
        raise row_error("no-picture-place", "The row has pictures, but no question to put them into.")
    made = list(messages)
    if not marks:
        notes.append(BEFORE)
        made[asked[0]] = _with_all(messages[asked[0]], pictures)
        return made
    left = list(pictures)
    last = max(marks)
    for place, count in marks.items():
        taken = left if place == last else left[:count]
        left = left[len(taken) :]
        fill = _with_filled if len(taken) == count else _with_all
        made[place] = fill(messages[place], taken)
    return made


def _count(content: Any) -> int:
    return sum(part is None for part in _split(content))


def _with_all(message: Message, pictures: list[dict[str, Any]]) -> Message:
    """Return the message with the pictures before its text, whose marks stay."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    return message | {"content": [*pictures, *parts]} if pictures else message


def _with_filled(message: Message, pictures: list[dict[str, Any]]) -> Message:
    """Return the message with a picture in each marked place; it has as many of both."""
    coming = iter(pictures)
    parts = [next(coming) if part is None else part for part in _split(message.get("content"))]
    return message | {"content": parts}


def _split(content: Any) -> list[dict[str, Any] | None]:
    """Return content as parts, None for each mark of a picture. A mark in code is a text."""
    if isinstance(content, str):
        return _split_text(content)
    parts: list[dict[str, Any] | None] = []
    for part in content if isinstance(content, list) else []:
        if not isinstance(part, dict):
            parts.append(part)
        elif part.get("type") == "image" and not address_of(part):
            parts.append(None)
        elif part.get("type") == "text" and isinstance(part.get("text"), str):
            parts += _split_text(part["text"])
        else:
            parts.append(part)
    return parts


def _split_text(text: str) -> list[dict[str, Any] | None]:
    code = [found.span() for found in CODE.finditer(text)] if "`" in text else []
    begins = [start for start, _ in code]
    ends = [0, *(end for _, end in code)]
    marks = [found for found in MARK.finditer(text) if found.start() >= ends[bisect_right(begins, found.start())]]
    parts: list[dict[str, Any] | None] = []
    end = 0
    for mark in marks:
        # A mark on a line of its own takes the line along.
        parts += _text_part(text[end : mark.start()].rstrip("\n"))
        parts.append(None)
        end = mark.end() + (text[mark.end() : mark.end() + 1] == "\n")
    return parts + _text_part(text[end:])


def _text_part(text: str) -> list[dict[str, Any] | None]:
    return [{"type": "text", "text": text}] if text.strip() else []
