"""The mapping of a file's columns to a record: suggested, changed by a person, stored as JSON, applied to each row."""

from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from curation.chat import Message, Problem
from curation.checks.fixes import fix
from curation.content import KINDS, Draft
from curation.formats.conversations import answers_of, as_text, from_json, messages_of, tools_of
from curation.formats.readers.rows import RowError

STYLES = ("columns", "chat", "sharegpt", "alpaca", "preference")
ROLES = ("system", "history", "user", "assistant")
ALPACA = {"system": "system", "history": "history", "instruction": "user", "input": "user", "output": "assistant"}
# A column of one of these names that holds an object is the thing itself, not one entry of it.
WHOLE = ("fields", "metadata", "meta")


class MappingError(ValueError):
    """A mapping that makes no sense; the message states what to change."""


@dataclass
class Mapping:
    """A mapping of columns to a record; columns that it does not name are left out.

    `style` gives the place of the messages: in the column `messages` (chat, sharegpt: either form is understood), in
    columns of fixed names (alpaca), in `prompt`, `chosen` and `rejected` (preference), or in `roles` (columns), which
    gives each column a role. Neighbours of one role are joined by an empty line; `history` takes pairs of question and
    answer.
    """

    kind: str = "conversations"
    style: str = "columns"
    messages: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    tools: str = ""
    system: str = ""
    prompt: str = ""
    chosen: str = ""
    rejected: str = ""
    group: str = ""
    key: str = ""
    labels: str = ""  # of the records: a text, or a list of texts
    fix: bool = False  # put right in conversations what can be put right without a person

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        if len(set(self.roles.values())) < len(self.roles):
            # Where roles repeat their order counts, and a database may sort the keys of an object.
            data["roles"] = [list(pair) for pair in self.roles.items()]
        return data

    @classmethod
    def from_json(cls, data: Any) -> "Mapping":
        """Read a mapping from JSON. Raises MappingError with a sentence for what is no mapping; unknown keys are refused."""
        if not isinstance(data, MappingType):
            raise MappingError('The mapping must be an object, such as {"kind": "documents", "fields": ["text"]}.')
        if "mend" in data:
            raise MappingError("`mend` is now called `fix`. Send `fix` instead.")
        if unknown := [str(key)[:40] for key in data if key not in cls.__dataclass_fields__]:
            raise MappingError(f"A mapping has no {', '.join(unknown)}, only {', '.join(cls.__dataclass_fields__)}.")
        values: dict[str, Any] = {name: value for name, value in data.items() if value is not None}
        values["roles"] = _pairs(values.get("roles", {}))
        for name in ("fields", "metadata"):
            values[name] = values.get(name, [])
            if not isinstance(values[name], list | tuple) or not all(isinstance(item, str) for item in values[name]):
                raise MappingError(f"`{name}` must be a list of columns.")
            values[name] = list(values[name])
        for name, value in values.items():
            if name == "fix" and not isinstance(value, bool):
                raise MappingError("`fix` must be true or false.")
            if name not in ("roles", "fields", "metadata", "fix") and not isinstance(value, str):
                raise MappingError(f"`{name}` must be text.")
        mapping = cls(**values)
        mapping.validate()
        return mapping

    def validate(self) -> None:
        """Raise MappingError with a sentence for a mapping that makes no records."""
        if self.kind not in KINDS:
            raise MappingError(f"The kind must be one of {', '.join(KINDS)}, not “{self.kind[:40]}”.")
        if self.style not in STYLES:
            raise MappingError(f"The style must be one of {', '.join(STYLES)}, not “{self.style[:40]}”.")
        for column, role in self.roles.items():
            if role not in ROLES:
                raise MappingError(f"The role of “{column}” must be one of {', '.join(ROLES)}, not “{role[:40]}”.")
        if self.kind == "documents" and not self.fields:
            raise MappingError("Choose at least one column as a field of the documents.")
        if self.kind == "preferences" and not (self.chosen and self.rejected):
            raise MappingError("Choose the columns with the chosen and the rejected answer.")
        if self.kind == "conversations":
            self._validate_conversations()

    def _validate_conversations(self) -> None:
        if self.style in ("chat", "sharegpt") and not self.messages:
            raise MappingError("Choose the column that holds the messages.")
        if self.style == "columns" and "user" not in self.roles.values():
            raise MappingError("Choose the column with the messages, or one with the user message.")
        if self.style == "preference":
            raise MappingError("The style “preference” creates preferences. Choose that kind, or another style.")

    @property
    def columns(self) -> list[str]:
        """Return all columns that are used, each once."""
        singles = (
            self.messages,
            self.tools,
            self.system,
            self.prompt,
            self.chosen,
            self.rejected,
            self.group,
            self.key,
            self.labels,
        )
        alpaca = ALPACA if self.style == "alpaca" else {}
        return [name for name in dict.fromkeys([*self.roles, *alpaca, *singles, *self.fields, *self.metadata]) if name]

    def apply(self, row: MappingType[str, Any]) -> Draft:
        """Return the draft of one row. Raises RowError with the problem."""
        draft = Draft(
            self.kind,
            fields=_gather(self.fields, row),
            metadata=_gather(self.metadata, row),
            group=_name(row, self.group),
            key=_name(row, self.key, 200),
        )
        if self.tools:
            draft.tools = tools_of(row.get(self.tools), self.tools)
        if self.kind == "conversations":
            draft.messages = self._conversation(row)
            if self.fix:
                draft.messages, tools, _ = fix(draft.messages, draft.tools)
                draft.tools = tools or []
        elif self.kind == "preferences":
            self._fill_preference(draft, row)
        elif not any(value not in (None, "", [], {}) for value in draft.fields.values()):
            if self.fields and not any(column in row for column in self.fields):
                _require(row, self.fields[0], "text")
            raise RowError(Problem("empty-row", "All fields of this row are empty, so there is nothing to import."))
        return draft

    def _conversation(self, row: MappingType[str, Any]) -> list[Message]:
        if self.style in ("chat", "sharegpt"):
            _require(row, self.messages, "conversation")
            return self._with_system(messages_of(row[self.messages], self.messages), row)
        turns = _turns(_alpaca(row) if self.style == "alpaca" else _ordered(self.roles), row)
        if not any(turn.get("role") == "user" for turn in turns):
            names = (
                ["instruction"] if self.style == "alpaca" else [c for c, role in self.roles.items() if role == "user"]
            )
            text = f"“{' and '.join(names)}” is empty, so there is nothing to answer."
            raise RowError(Problem("empty-row", text))
        return self._with_system(turns, row)

    def _with_system(self, messages: list[Message], row: MappingType[str, Any]) -> list[Message]:
        """Add the system message from a column of its own, unless the conversation brings one."""
        system = as_text(row.get(self.system)) if self.system else ""
        if not system.strip() or (messages and messages[0].get("role") == "system"):
            return messages
        return [{"role": "system", "content": system}, *messages]

    def _fill_preference(self, draft: Draft, row: MappingType[str, Any]) -> None:
        for column in (self.chosen, self.rejected):
            _require(row, column, "answer")
        chosen, rejected = answers_of(row[self.chosen], self.chosen), answers_of(row[self.rejected], self.rejected)
        prompt = self.prompt or self.messages
        if prompt:
            _require(row, prompt, "prompt")
            value = row[prompt]
            draft.messages = _turns({prompt: "user"}, {prompt: value}) if value not in ("", []) else []
        else:
            draft.messages = chosen[: _shared(chosen, rejected)]
        draft.chosen, draft.rejected = _behind(draft.messages, chosen), _behind(draft.messages, rejected)
        draft.messages = self._with_system(draft.messages, row)
        if not draft.messages:
            where = prompt or self.chosen
            raise RowError(Problem("empty-row", f"There is no prompt before the answers, because “{where}” is empty."))


def _shared(a: list[Message], b: list[Message]) -> int:
    """Return how many messages two conversations share at the beginning, the last of either left out."""
    count = 0
    while count < min(len(a), len(b)) - 1 and a[count] == b[count]:
        count += 1
    return count


def _behind(prompt: list[Message], answer: list[Message]) -> list[Message]:
    """Return an answer without the conversation that it may repeat; one that only repeats its prompt stays whole."""
    size = len(prompt)
    return answer[size:] if len(answer) > size and answer[:size] == prompt else answer


def _pairs(roles: Any) -> dict[str, str]:
    pairs = list(roles.items()) if isinstance(roles, MappingType) else roles
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise MappingError("`roles` must be pairs of a column and its role.")
    return dict(pairs)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(item, str) for item in pair)


def _ordered(roles: dict[str, str]) -> dict[str, str]:
    """Return the roles as given if some repeat, after those that can only be first; else in the order of speaking."""
    if len(set(roles.values())) < len(roles):
        return dict(sorted(roles.items(), key=lambda pair: min(ROLES.index(pair[1]), 2)))
    return dict(sorted(roles.items(), key=lambda pair: ROLES.index(pair[1])))


def _alpaca(row: MappingType[str, Any]) -> dict[str, str]:
    names = {name.lower(): name for name in row}
    return {names.get(name, name): role for name, role in ALPACA.items()}


def _turns(roles: dict[str, str], row: MappingType[str, Any]) -> list[Message]:
    turns: list[Message] = []
    joinable = ""  # the role of the last turn, when it is one column's text
    for column, role in roles.items():
        value = row.get(column)
        if value is None or value in ("", []):
            continue
        if role == "history":
            turns += _history(value, column)
            joinable = ""
        elif _holds_messages(value):
            turns += messages_of(value, column)
            joinable = ""
        elif joinable == role:
            turns[-1]["content"] += f"\n\n{as_text(value)}"
        else:
            turns.append({"role": role, "content": as_text(value)})
            joinable = role
    return turns


def _holds_messages(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and ("role" in value[0] or "from" in value[0])
    return isinstance(value, str) and value.startswith("[{") and '"role"' in value[:200]


def _gather(columns: Iterable[str], row: MappingType[str, Any]) -> dict[str, Any]:
    gathered: dict[str, Any] = {}
    for column in columns:
        if column in row:
            value = _object(row[column]) if column in WHOLE else row[column]
            if column in WHOLE and isinstance(value, dict):
                gathered |= value
            else:
                gathered[column] = value
    return gathered


def _object(value: Any) -> Any:
    """Return an object that a table's cell may hold as JSON text; an empty cell holds none."""
    if value == "":
        return {}
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _name(row: MappingType[str, Any], column: str, limit: int = 1000) -> str:
    value = row.get(column) if column else None
    if value is None:
        return ""
    text = as_text(value)
    if len(text) > limit:
        problem = f"“{column}” has {len(text):,} characters, and at most {limit:,} are allowed. Choose another column."
        raise RowError(Problem("name-too-long", problem))
    return text


def _require(row: MappingType[str, Any], column: str, what: str) -> None:
    if row.get(column) is None:
        found = ", ".join(str(name)[:40] for name in list(row)[:12]) or "none"
        text = f"The {what} is missing, because this row has no “{column}”. It has {found}."
        raise RowError(Problem("column-missing", text))


def _history(value: Any, column: str) -> list[Message]:
    """Return Alpaca's history as messages: pairs of question and answer."""
    pairs = from_json(value, column)
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise RowError(Problem("history-form", f"The column “{column}” must hold pairs of a question and an answer."))
    return [
        {"role": role, "content": as_text(text)}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
