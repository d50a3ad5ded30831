"""Preferences in every usual form, cut so that the prompt ends before the assistant's turn and both answers begin with it."""

import re
from typing import Any

import orjson

from curation.chat import Message, text_of
from curation.formats.cells import is_empty, is_pair, json_in, spoken
from curation.formats.conversations import Notes, row_error

# A whole talk as one text, as in the first sets of preferences: each turn behind its speaker, after an empty line.
SPOKEN = re.compile(r"(?:\A\s*|\n\n)(Human|User|Assistant): ?")
WRITTEN_OUT = "The answers are whole conversations written as text; they were split at the speakers' names."
OWN_ANSWER = "“{}” ended with an answer of its own, which was left out of the prompt."
REPEATED = "Both answers began with the text of the prompt, which was left out of them."


def pair_in(value: Any, column: str, notes: Notes) -> tuple[Any, Any]:
    """Return the chosen and the rejected answer that one cell holds. Raises RowError for what is no pair."""
    value = json_in(value) if isinstance(value, str) else value
    if not is_pair(value):
        said = f"“{column}” must hold a pair of outputs: a list of two, or an object with “chosen” and “rejected”."
        raise row_error("pair-form", said)
    if isinstance(value, dict):
        return value["chosen"], value["rejected"]
    notes.append(
        f"“{column}” holds pairs; the first output was taken as the chosen answer, the second as the rejected."
    )
    return value[0], value[1]


def answer_turns(value: Any, column: str, notes: Notes) -> list[Message]:
    """Return the turns of an answer, or of a whole talk that ends with it. Raises RowError for an empty or foreign one."""
    if isinstance(value, str) and (turns := _written_out(value)):
        notes.append(WRITTEN_OUT)
        return turns
    turns = spoken(value, column, "assistant", notes, whole=True)
    if not turns and not is_empty(value):
        raise row_error("empty-row", f"“{column}” holds no answer.")
    return turns or [{"role": "assistant", "content": ""}]


def prompt_turns(prompt: list[Message], notes: Notes) -> list[Message]:
    """Return the turns of a prompt; those of a talk that is written out as one text are parted."""
    text = prompt[0].get("content") if len(prompt) == 1 else None
    turns = _written_out(text) if isinstance(text, str) else []
    if not turns:
        return prompt
    notes.append(WRITTEN_OUT)
    return turns if turns[-1]["content"] else turns[:-1]


def _written_out(text: str) -> list[Message]:
    """Return the turns of a talk as one text; none for any other text. The talk begins with a person's turn."""
    pieces = SPOKEN.split(text)
    speakers = pieces[1::2]
    if pieces[0].strip() or len(speakers) < 2 or speakers[0] == "Assistant" or speakers[-1] != "Assistant":
        return []
    return [
        {"role": "assistant" if speaker == "Assistant" else "user", "content": said.strip()}
        for speaker, said in zip(speakers, pieces[2::2], strict=True)
    ]


def parted(
    prompt: list[Message], chosen: list[Message], rejected: list[Message], column: str, notes: Notes
) -> tuple[list[Message], list[Message], list[Message]]:
    """Return (prompt, chosen, rejected), the prompt ending before the assistant's turn with which both answers begin.

    The answers may be whole talks that repeat the prompt or its last turns, and the prompt, from `column`, may be a
    whole talk with an answer of its own. Raises RowError where they do not belong to one conversation.
    """
    shared = _shared(chosen, rejected)
    lead, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if chosen[0].get("role") != "assistant" or rejected[0].get("role") != "assistant":
        turn = f"turn {shared + 1} of one of them isn't an assistant message"
        said = f"The answers do not belong to one conversation, because they part where {turn}."
        raise row_error("answers-part", said)
    prompt = _without_answer(prompt, lead, chosen, rejected, column, notes)
    prompt = _merged(prompt, lead, column)
    chosen, rejected = _without_prompt(prompt, chosen, rejected, notes)
    return prompt, chosen, rejected


def _shared(a: list[Message], b: list[Message]) -> int:
    """Return how many turns two talks share before the assistant's turn at which they part.

    Equal talks, or one that is the beginning of the other, part at the last turn that can.
    """
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    most = min(len(a), len(b)) - 1
    if count > most:
        count = most
        while count and not (a[count].get("role") == b[count].get("role") == "assistant"):
            count -= 1
    return count


def _without_answer(
    prompt: list[Message],
    lead: list[Message],
    chosen: list[Message],
    rejected: list[Message],
    column: str,
    notes: Notes,
) -> list[Message]:
    """Return the prompt without the answer that it may end with."""
    for answer in (chosen, rejected):
        if len(prompt) > len(answer) and prompt[-len(answer) :] == answer:
            return prompt[: -len(answer)]
    goes_on = bool(lead) and lead[0].get("role") == "user" and not _find(lead, prompt)
    if prompt and prompt[-1].get("role") == "assistant" and not goes_on:
        notes.append(OWN_ANSWER.format(column))
        while prompt and prompt[-1].get("role") in ("assistant", "tool"):
            prompt = prompt[:-1]
    return prompt


def _merged(prompt: list[Message], lead: list[Message], column: str) -> list[Message]:
    """Return the prompt with the turns before the answers, which may repeat all of it or its last turns.

    Raises RowError where both end with another question.
    """
    systems = [turns[0] for turns in (prompt, lead) if turns and turns[0].get("role") == "system"]
    head = systems[:1]
    first, second = (turns[1:] if turns and turns[0] in head else turns for turns in (prompt, lead))
    if not second or _find(first, second):
        return [*head, *first]
    if not first or _find(second, first):
        return [*head, *second]
    overlap = _matched(_keys(second), _keys(first))[-1]
    if not overlap and first[-1].get("role") == second[0].get("role"):
        said = f"“{column}” and the answers have different prompts. Map the answers alone, if they hold the whole conversation."
        raise row_error("prompts-differ", said)
    return [*head, *first, *second[overlap:]]


def _find(turns: list[Message], part: list[Message]) -> bool:
    """Return whether the part stands somewhere in the turns, whole."""
    return not part or len(part) in _matched(_keys(part), _keys(turns))


def _matched(part: list[Any], turns: list[Any]) -> list[int]:
    """Return how many turns from the part's beginning end at each turn; a prefix function, as talks may have many turns."""
    row = [*part, None, *turns]
    found = [0] * len(row)
    for at in range(1, len(row)):
        count = found[at - 1]
        while count and row[at] != row[count]:
            count = found[count - 1]
        found[at] = count + (row[at] == row[count])
    return found[len(part) + 1 :]


def _keys(turns: list[Message]) -> list[Any]:
    """Return what tells turns apart: who says which words, of those with calls or without words all of it."""
    plain = ["" if turn.get("tool_calls") else " ".join(text_of(turn).split()) for turn in turns]
    return [
        (turn.get("role"), words) if words else orjson.dumps(turn, option=orjson.OPT_SORT_KEYS)
        for turn, words in zip(turns, plain, strict=True)
    ]


def _without_prompt(
    prompt: list[Message], chosen: list[Message], rejected: list[Message], notes: Notes
) -> tuple[list[Message], list[Message]]:
    """Return the answers without the text of the prompt, where both repeat it before their own."""
    asked = text_of(prompt[-1]) if len(prompt) == 1 else ""
    texts = [answer[0].get("content") if len(answer) == 1 else None for answer in (chosen, rejected)]
    said = [text for text in texts if isinstance(text, str)]
    if (
        len(asked) < 8
        or len(said) < 2
        or not all(text.startswith(asked) and len(text.strip()) > len(asked) for text in said)
    ):
        return chosen, rejected
    notes.append(REPEATED)
    cut = [
        [answer[0] | {"content": text[len(asked) :].lstrip()}]
        for answer, text in zip((chosen, rejected), said, strict=True)
    ]
    return cut[0], cut[1]
