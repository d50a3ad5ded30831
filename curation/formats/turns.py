"""Turns made of columns that each have a role: question, answer, system message, earlier turns."""

from collections.abc import Mapping as MappingType
from typing import Any

from curation.chat import Message, Problem
from curation.formats import templates
from curation.formats.cells import canonical, is_empty, json_in, spoken, text_in
from curation.formats.conversations import Notes, read_turns, row_error, turns_in
from curation.formats.readers.rows import LIMITS, RowError

ROLES = ("system", "history", "user", "assistant")
ALPACA = {"system": "system", "history": "history", "instruction": "user", "input": "user", "output": "assistant"}
# What an entry of a history calls its question and its answer.
QUESTIONS = ("question", "user", "human", "prompt", "query", "instruction", "input")
ANSWERS = ("answer", "assistant", "gpt", "bot", "response", "output", "completion")


class TurnColumns:
    """The columns of one row as turns, with their templates; `notes` gets what was read otherwise than it stands."""

    def __init__(self, row: MappingType[str, Any], fixed: dict[str, str], notes: Notes) -> None:
        self.row, self.fixed, self.notes = row, fixed, notes

    def text(self, column: str, role: str) -> str:
        """Return the text of a column in its template; empty for an empty cell. Raises RowError."""
        text = text_in(self.row.get(column), column, role, self.notes)
        if column not in self.fixed or not text.strip():
            return text
        try:
            return templates.filled(
                self.fixed[column], lambda name: text if name == column else self._beside(name, role), LIMITS.row
            )
        except templates.TemplateError as error:
            raise row_error("too-long", str(error)) from error

    def _beside(self, column: str, role: str) -> str:
        """Return the text of another column that a template names; that it is empty is noted."""
        text = text_in(self.row.get(column), column, role, self.notes)
        if not text.strip():
            self.notes.append(f"“{column}” is empty in rows whose fixed text names it.")
        return text

    def said(self, column: str, role: str, whole: bool = False) -> list[Message]:
        """Return the turns of a column; one with a template is always text. Raises RowError."""
        if column in self.fixed:
            text = self.text(column, role)
            return [{"role": role, "content": text}] if text else []
        return spoken(self.row.get(column), column, role, self.notes, whole)

    def talk(self, roles: MappingType[str, str]) -> list[Message]:
        """Return the turns of these columns in their order; neighbours of one role are joined by an empty line."""
        turns: list[Message] = []
        joinable = ""  # the role of the last turn, when it is one column's text
        for column, role in roles.items():
            if role == "history":
                turns += history(self.row.get(column), column)
                joinable = ""
                continue
            said = self.said(column, role)
            text = said[0]["content"] if len(said) == 1 and said[0].keys() == {"role", "content"} else None
            if not said or (role != "assistant" and isinstance(text, str) and not text.strip()):
                continue
            if isinstance(text, str) and said[0]["role"] == role == joinable:
                turns[-1] = turns[-1] | {"content": f"{turns[-1]['content']}\n\n{text}"}
                continue
            turns = _continued(turns, said, column, role)
            joinable = role if isinstance(text, str) and said[0]["role"] == role else ""
        return turns


def _continued(turns: list[Message], said: list[Message], column: str, role: str) -> list[Message]:
    """Return the turns with those of a column, which may repeat all before. Raises RowError for an answer that begins anew."""
    if role == "assistant" and turns and said[0].get("role") != "assistant":
        if said[: len(turns)] == turns and len(said) > len(turns):
            return said
        text = f"“{column}” holds a whole conversation beside the question. Use it as the conversation, and not the question."
        raise row_error("whole-beside-question", text)
    return [*turns, *said]


def ordered(roles: dict[str, str]) -> dict[str, str]:
    """Return the roles as given if some repeat, after those that can only be first; else in the order of speaking."""
    if len(set(roles.values())) < len(roles):
        return dict(sorted(roles.items(), key=lambda pair: min(ROLES.index(pair[1]), 2)))
    return dict(sorted(roles.items(), key=lambda pair: ROLES.index(pair[1])))


def alpaca(row: MappingType[str, Any]) -> dict[str, str]:
    """Return the roles of the columns of Alpaca's form, in small or capital letters."""
    names = {name.lower(): name for name in row}
    return {names.get(name, name): role for name, role in ALPACA.items()}


def history(value: Any, column: str) -> list[Message]:
    """Return earlier turns: pairs of question and answer, objects with both, or a conversation. Raises RowError."""
    if isinstance(value, str):
        value = json_in(value) or value.strip()
    if is_empty(value):
        return []
    turns = turns_in(value, column, [], strictly=True)
    if turns is not None:
        return canonical(read_turns(turns, column))
    pairs = [_pair(entry) for entry in value] if isinstance(value, list) else [None]
    messages: list[Message] = []
    for pair in pairs:
        if pair is None:
            raise RowError(
                Problem("history-form", f"The column “{column}” must hold pairs of a question and an answer.")
            )
        messages += [
            {"role": role, "content": text} for role, text in zip(("user", "assistant"), pair, strict=True) if text
        ]
    return messages


def _pair(entry: Any) -> tuple[str, str] | None:
    """Return the question and the answer of an entry of a history; None for another thing."""
    if isinstance(entry, dict) and len(entry) == 2:
        question = next((entry[key] for key in QUESTIONS if key in entry), None)
        answer = next((entry[key] for key in ANSWERS if key in entry), None)
        entry = [question, answer]
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(text, str | None) for text in entry):
        return None
    return (entry[0] or "", entry[1] or "") if any(entry) else None
