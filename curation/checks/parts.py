"""Checks of a message's content: a string, or parts of text, thinking and images."""

from typing import Any

from atelier.characters import NUL, flaw
from curation.chat import Message, Problem

PART_KEYS = {
    "text": {"type", "text"},
    "thinking": {"type", "thinking", "closed"},
    "image_url": {"type", "image_url"},
}
PARTS_OF = {
    "system": ("text", "thinking"),
    "user": ("text", "image_url"),
    "assistant": ("text", "thinking"),
    "tool": ("text",),
}


def check_content(message: Message, where: str, *, last: bool) -> list[Problem]:
    """Return problems of the content's form. `last`: only there, and only at its end, may thinking stay open."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return check_unicode(content or "", where)
    if not isinstance(content, list):
        text = "The content must be text, or a list of parts; numbers and objects must be written as text."
        return [Problem("content-form", text, where)]
    problems: list[Problem] = []
    seen_text = False
    for number, part in enumerate(content, 1):
        place = f"{where}, part {number}"
        found = _check_part(part, str(message.get("role")), place)
        problems += found
        if found:
            continue
        if part["type"] == "thinking":
            if seen_text:
                problems.append(
                    Problem("text-before-thinking", "Thinking must come first. Move the text after it.", place)
                )
            if part.get("closed") is False and not (last and number == len(content)):
                text = "Thinking may stay open (`closed`: false) only at the end of the last message. Close it."
                problems.append(Problem("thinking-open", text, place))
        seen_text = seen_text or part["type"] == "text"
    return problems


def check_unicode(text: str, where: str) -> list[Problem]:
    """Return problems of half characters (lone surrogates) and NULs: no tokenizer and no database takes them."""
    if wrong := flaw(text):
        return [Problem("nul" if NUL in text else "half-character", f"The text {wrong}", where)]
    return []


def _check_part(part: Any, role: str, place: str) -> list[Problem]:
    if not isinstance(part, dict):
        return [Problem("part-form", 'A part must be an object such as {"type": "text", "text": "…"}.', place)]
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_KEYS:
        text = f"The part's type is “{str(kind)[:40]}”: it must be one of {', '.join(PART_KEYS)}."
        return [Problem("unknown-part", text, place)]
    if kind not in PARTS_OF.get(role, PART_KEYS):
        text = f"A {role} message can't have a {kind} part, only {' and '.join(PARTS_OF[role])}."
        return [Problem("part-out-of-place", text, place)]
    problems = [
        Problem("unknown-key", f"The key “{str(key)[:40]}” isn't allowed in a {kind} part. Remove it.", place)
        for key in part
        if key not in PART_KEYS[kind]
    ]
    return problems + _check_value(part, kind, place)


def _check_value(part: dict[str, Any], kind: str, place: str) -> list[Problem]:
    if kind == "text":
        if isinstance(part.get("text"), str):
            return check_unicode(part["text"], place)
        return [Problem("part-value", "A text part needs its `text`.", place)]
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        good = isinstance(url, str) and url.startswith(("https://", "http://", "data:image/"))
        return (
            [] if good else [Problem("part-value", "An image needs an http(s) address or a data:image/… URI.", place)]
        )
    return _check_thinking(part, place)


def _check_thinking(part: dict[str, Any], place: str) -> list[Problem]:
    thinking, closed = part.get("thinking"), part.get("closed")
    if closed is not None and not isinstance(closed, bool):
        return [Problem("part-value", "`closed` must be true or false.", place)]
    if isinstance(thinking, str):
        return check_unicode(thinking, place)
    good = isinstance(thinking, list) and all(
        isinstance(piece, dict) and piece.get("type", "text") == "text" and isinstance(piece.get("text"), str)
        for piece in thinking
    )
    text = "`thinking` must be text, or a list of text parts."
    return [] if good else [Problem("part-value", text, place)]
