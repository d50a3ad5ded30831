"""Cells that become turns: text, or a conversation in any usual form; what is neither is refused with the reason."""

import re
from typing import Any

import orjson

from curation.chat import Message
from curation.checks.parts import PART_KEYS
from curation.formats.conversations import Notes, read_json, read_turns, row_error, speaker_of, turns_in, without_nones

# A name in the plural lists answers of which each is right, as question-answering sets have them.
ALTERNATIVES = re.compile(r"answers|references|targets|solutions|.*aliases|.*_answers")
PAIR = ("chosen", "rejected")
WRAPPED = ("text", "content", "value", "answer", "output", "response", "completion")  # names of an object's one text
READ = "“{}” holds messages as JSON text; they were read as messages."


def is_empty(value: Any) -> bool:
    """Return whether a cell says nothing."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def spoken(value: Any, column: str, role: str, notes: Notes, whole: bool = False) -> list[Message]:
    """Return the turns in a cell whose column has a role; none if it is empty.

    Text is a turn of that role, a conversation in any usual form is its turns; as JSON text it is one where it can
    stand in this place, or anywhere if `whole` ones are expected. Appends to `notes` what was read otherwise than it
    stands. Raises RowError for what is neither, with the reason.
    """
    if is_empty(value):
        return []
    if isinstance(value, str):
        return _turns_in_text(value, column, role, notes, whole) or [{"role": role, "content": value}]
    if role == "assistant" and is_pair(value) and not (isinstance(value, list) and isinstance(value[0], str)):
        raise _pair(column)
    turns = turns_in(value, column, notes, strictly=True)
    if turns is not None:
        return canonical(read_turns(turns, column))
    if parts := _parts(value):
        return [{"role": role, "content": parts}]
    text = text_in(value, column, role, notes)
    return [{"role": role, "content": text}] if text else []


def canonical(messages: list[Message]) -> list[Message]:
    """Return messages with the schema's roles: they are compared with others of the same talk."""
    return [
        message | {"role": role}
        if (role := speaker_of(message)) in ("system", "user", "assistant", "tool")
        else message
        for message in messages
    ]


def text_in(value: Any, column: str, role: str, notes: Notes) -> str:
    """Return the text of a cell; empty if it says nothing. Raises RowError for what is no text, with the reason."""
    if is_empty(value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    if isinstance(value, list):
        return _text_of_list(value, column, role, notes)
    return _text_of_object(value, column, role, notes)


def _text_of_list(values: list[Any], column: str, role: str, notes: Notes) -> str:
    if len(values) == 1:
        notes.append(f"“{column}” holds a list of one; its one entry was taken.")
        return text_in(values[0], column, role, notes)
    if all(map(is_empty, values)):
        return ""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if len(texts) == len([value for value in values if not is_empty(value)]) and texts:
        if len(set(texts)) == 1:
            notes.append(f"“{column}” lists one text several times; it was taken once.")
            return texts[0]
        if role != "assistant":
            notes.append(f"“{column}” holds lists of texts; they were joined, each in a paragraph of its own.")
            return "\n\n".join(texts)
        if ALTERNATIVES.fullmatch(column.strip().lower()):
            notes.append(f"“{column}” lists several answers; the first was taken, the others were left out.")
            return texts[0]
    if is_pair(values):
        raise _pair(column)
    if texts:
        said = f"“{column}” lists {len(values):,} answers, and a turn has one. Keep one in the file, or choose another column."
        raise row_error("several-answers", said)
    raise _no_text(values, column)


def _text_of_object(value: dict[str, Any], column: str, role: str, notes: Notes) -> str:
    keys = set(value)
    if set(PAIR) <= keys:
        raise _pair(column)
    texts: Any = value.get("text")
    if isinstance(texts, list) and "answer_start" in keys:  # SQuAD
        return _text_of_list(texts, "answers", role, notes) if texts else ""
    labels: Any = value.get("label")
    are_choices = isinstance(texts, list) and isinstance(labels, list) and len(texts) == len(labels)
    if keys == {"text", "label"} and are_choices and role != "assistant":
        notes.append(f"“{column}” holds choices with their labels; each became a line.")
        return "\n".join(f"{label}. {text}" for label, text in zip(labels, texts, strict=True))
    if isinstance(value.get("value"), str) and "aliases" in keys:  # TriviaQA
        notes.append(f"“{column}” holds an answer with its aliases; the aliases were left out.")
        return str(value["value"])
    given = {key: item for key, item in value.items() if not is_empty(item)}
    if not given:
        return ""
    inner = next(iter(given.values()))
    if len(given) == 1 and set(given) & set(WRAPPED) and isinstance(inner, str):
        notes.append(f"“{column}” holds objects with one text; the text was taken.")
        return inner
    raise _no_text(value, column)


def _parts(value: Any) -> list[dict[str, Any]]:
    """Return content that is given as parts; nothing for anything else."""
    parts = [value] if isinstance(value, dict) else value
    kinds = (*PART_KEYS, "image")
    if isinstance(parts, list) and all(isinstance(part, dict) and part.get("type") in kinds for part in parts):
        return [without_nones(part) for part in parts]
    return []


def _turns_in_text(text: str, column: str, role: str, notes: Notes, whole: bool) -> list[Message]:
    """Return the turns that a text is as JSON; none for any other text, such as data with a key `role`.

    An answer that begins with a person's turn, or a question that ends with an answer, is a text about a conversation
    rather than one.
    """
    value = json_in(text)
    if value is None:
        return []
    found: Notes = []
    turns = turns_in(value, column, found, strictly=True)
    if turns is None:
        if not (isinstance(value, dict) and "answer_start" in value):
            return []
        answer = text_in(value, column, role, found)
        notes += found
        return [{"role": role, "content": answer}] if answer else []
    own = ("assistant", "call")
    fits = speaker_of(turns[0]) in own if role == "assistant" else speaker_of(turns[-1]) not in own
    if not (fits or whole):
        return []
    notes += [*found, READ.format(column)]
    return canonical(read_turns(turns, column))


def json_in(text: str) -> Any:
    """Return the object or list that a text is as JSON; None for any other text."""
    start, end = text.lstrip()[:1], text.rstrip()[-1:]
    if (start, end) not in (("{", "}"), ("[", "]")):
        return None
    try:
        return read_json(text)
    except orjson.JSONDecodeError:
        return None


def is_pair(value: Any) -> bool:
    """Return whether a value is a pair of outputs: two texts or turns of which one is better, or both by name."""
    if isinstance(value, dict):
        return set(PAIR) <= set(value)
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        return False
    if all(isinstance(item, str) and item.strip() for item in value):
        return True
    turns = [turns_in(item, "", [], strictly=True) for item in value]
    return all(one and speaker_of(one[-1]) == "assistant" and not one[-1].get("tool_calls") for one in turns)


def _pair(column: str) -> Exception:
    said = f"“{column}” holds a pair of outputs, and a turn has one. Import the rows as preferences."
    return row_error("pair-of-outputs", said)


def _no_text(value: Any, column: str) -> Exception:
    if isinstance(value, dict):
        what = f"an object with {', '.join(f'“{str(key)[:30]}”' for key in list(value)[:6])}"
    else:
        first = value[0]
        keys = list(first)[:6] if isinstance(first, dict) else []
        inner = f"objects with {', '.join(f'“{str(key)[:30]}”' for key in keys)}"
        inner = inner if keys else "lists" if isinstance(first, list) else "values"
        what = f"a list of {len(value):,} {inner}"
    said = f"“{column}” holds {what}, which is neither text nor a conversation. Choose another column, or import it as metadata."
    return row_error("cell-not-text", said)
