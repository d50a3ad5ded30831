"""The text of a record that search finds it by: what people and models wrote, no roles and no types."""

from typing import Any

KEYS = frozenset({"content", "text", "thinking", "arguments"})


def _strings(value: Any, texts: list[str]) -> list[str]:
    """Append every string in a JSON value to `texts`, in its order.

    A list that grows, because generators cost an import three times as much.
    """
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _strings(inner, texts)
    elif isinstance(value, list):
        for inner in value:
            _strings(inner, texts)
    return texts


def _spoken(messages: Any, texts: list[str]) -> list[str]:
    """Append the contents of messages to `texts`: text parts, thoughts and call arguments; no roles, no types."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if isinstance(inner, str):
                if key in KEYS:
                    texts.append(inner)
            else:
                _spoken(inner, texts)
    elif isinstance(messages, list):
        for inner in messages:
            _spoken(inner, texts)
    return texts


def gather(fields: Any, messages: Any, chosen: Any, rejected: Any, metadata: Any) -> str:
    """Return what the index holds of a record: exactly what the triggers read."""
    texts = _strings(fields, [])
    for turns in (messages, chosen, rejected):
        _spoken(turns, texts)
    return " ".join(_strings(metadata, texts))
