"""The mapping of a file's columns to a record: suggested, changed by a person, stored as JSON, applied to each row."""

from collections.abc import Collection, Iterable
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from atelier.characters import flaw
from curation.chat import Message, Problem
from curation.checks.fixes import fix
from curation.content import KINDS, Draft
from curation.formats import pictures, preferences, templates
from curation.formats.conversations import as_text, messages_of, read_json, speaker_of, tools_of
from curation.formats.readers.rows import RowError
from curation.formats.turns import ALPACA, ROLES, TurnColumns, alpaca, ordered

STYLES = ("columns", "chat", "sharegpt", "alpaca", "preference")
# A column of one of these names that holds an object is the thing itself, not one entry of it.
WHOLE = ("fields", "metadata", "meta")
OURS = "atelier_"  # what the columns of an export that describe the review begin with
NAMED = 12  # columns that a note names


class MappingError(ValueError):
    """A mapping that makes no sense; the message states what to change."""


@dataclass
class Mapping:
    """A mapping of columns to a record; columns that it does not name are left out.

    `style` gives the place of the messages: in the column `messages` (chat, sharegpt: either form is understood), in
    columns of fixed names (alpaca), in `prompt`, `chosen` and `rejected` (preference), or in `roles` (columns), which
    gives each column a role. Neighbours of one role are joined by an empty line; `history` takes pairs of question and
    answer. A preference's prompt may be in `roles` too. `chosen` and `rejected` may be one column, which then holds
    pairs. `images` become image parts. `system_text` is a fixed system message, and `templates` are texts around the
    text of a column, as `{"text": "Write a headline for: {text}"}`.
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
    images: str = ""
    system_text: str = ""
    templates: dict[str, str] = field(default_factory=dict)
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
        values["templates"] = _texts(values.get("templates", {}))
        for name, value in values.items():
            if name == "fix" and not isinstance(value, bool):
                raise MappingError("`fix` must be true or false.")
            if name not in ("roles", "fields", "metadata", "fix", "templates") and not isinstance(value, str):
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
        self.check_templates()

    def check_templates(self, columns: Collection[str] = ()) -> None:
        """Raise MappingError for a template that cannot be filled, by the file's columns if they are given."""
        if self.kind == "documents" and (self.templates or self.system_text):
            raise MappingError(
                "Documents have no messages, so a mapping for them has no system message and no templates."
            )
        for text in (self.system_text, *self.templates.values()):
            if wrong := flaw(text):
                raise MappingError(f"A fixed text {wrong}")
            if len(text) > templates.LONGEST:
                raise MappingError(f"A fixed text can have at most {templates.LONGEST:,} characters.")
        spoken = {*self.roles, self.prompt, self.chosen, self.rejected, self.system, *self._alpaca()}
        if self.chosen == self.rejected:
            spoken.discard(self.chosen)  # it holds pairs
        for column, template in self.templates.items():
            if column not in spoken or self.roles.get(column) == "history":
                raise MappingError(f"“{column}” has a template, but isn't used as a text of a message.")
            try:
                templates.check(template, column, columns)
            except templates.TemplateError as error:
                raise MappingError(str(error)) from error

    def _alpaca(self) -> dict[str, str]:
        return ALPACA if self.style == "alpaca" else {}

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
            self.images,
            self.group,
            self.key,
            self.labels,
        )
        named = [name for template in self.templates.values() for name in templates.names_in(template)]
        used = [*self.roles, *self._alpaca(), *singles, *named, *self.fields, *self.metadata]
        return [name for name in dict.fromkeys(used) if name]

    def leftovers(self, columns: Iterable[str]) -> list[str]:
        """Return notes on the columns that do not become part of the messages or of the document's text."""
        used = set(self.columns)
        if self.style == "alpaca":
            used |= {column for column in columns if column.lower() in ALPACA}
        ignored = [column for column in columns if column not in used and not column.startswith(OURS)]
        beside = "the text" if self.kind == "documents" else "the messages"
        notes = [f"Imported as metadata, beside {beside}: {_named(self.metadata)}."] if self.metadata else []
        return notes + ([f"Not imported: {_named(ignored)}."] if ignored else [])

    def apply(self, row: MappingType[str, Any]) -> Draft:
        """Return the draft of one row. Raises RowError with the problem."""
        draft = Draft(
            self.kind,
            fields=_gather(self.fields, row),
            metadata=_gather(self.metadata, row),
            group=_name(row, self.group),
            key=_name(row, self.key, 200),
        )
        columns = TurnColumns(row, self.templates, draft.notes)
        if self.tools:
            draft.tools = tools_of(row.get(self.tools), self.tools, draft.notes)
        if self.kind == "conversations":
            draft.messages = self._with_pictures(self._conversation(row, columns), row, draft.notes)
            if self.fix:
                draft.messages, tools, _ = fix(draft.messages, draft.tools)
                draft.tools = tools or []
        elif self.kind == "preferences":
            self._fill_preference(draft, row, columns)
        elif not any(value not in (None, "", [], {}) for value in draft.fields.values()):
            if self.fields and not any(column in row for column in self.fields):
                _require(row, self.fields[0], "text")
            raise RowError(Problem("empty-row", "All fields of this row are empty, so there is nothing to import."))
        if draft.notes:
            draft.notes = list(dict.fromkeys(draft.notes))
        return draft

    def _conversation(self, row: MappingType[str, Any], columns: TurnColumns) -> list[Message]:
        if self.style in ("chat", "sharegpt"):
            _require(row, self.messages, "conversation")
            return self._with_system(messages_of(row[self.messages], self.messages, columns.notes), columns)
        turns = columns.talk(alpaca(row) if self.style == "alpaca" else ordered(self.roles))
        if not any(turn.get("role") == "user" for turn in turns):
            names = (
                ["instruction"] if self.style == "alpaca" else [c for c, role in self.roles.items() if role == "user"]
            )
            text = f"“{' and '.join(names)}” is empty, so there is nothing to answer."
            raise RowError(Problem("empty-row", text))
        return self._with_system(turns, columns)

    def _with_system(self, messages: list[Message], columns: TurnColumns) -> list[Message]:
        """Add the system message from a column of its own, or the fixed one, unless the conversation brings one."""
        if messages and speaker_of(messages[0]) == "system":
            return messages
        text = columns.text(self.system, "system") if self.system else ""
        text = text if text.strip() else self.system_text
        return [{"role": "system", "content": text}, *messages] if text.strip() else messages

    def _with_pictures(self, messages: list[Message], row: MappingType[str, Any], notes: list[str]) -> list[Message]:
        if not self.images:
            return messages
        return pictures.placed(messages, pictures.pictures_in(row.get(self.images), self.images), notes)

    def _fill_preference(self, draft: Draft, row: MappingType[str, Any], columns: TurnColumns) -> None:
        for column in (self.chosen, self.rejected):
            _require(row, column, "answer")
        if self.chosen == self.rejected:
            pair = preferences.pair_in(row[self.chosen], self.chosen, draft.notes)
            chosen, rejected = (preferences.answer_turns(value, self.chosen, draft.notes) for value in pair)
        else:
            chosen, rejected = (self._answer(row, column, columns) for column in (self.chosen, self.rejected))
        source, prompt = self._prompt(row, columns)
        draft.messages, draft.chosen, draft.rejected = preferences.parted(prompt, chosen, rejected, source, draft.notes)
        if not draft.messages:
            where = source or self.chosen
            raise RowError(Problem("empty-row", f"There is no prompt before the answers, because “{where}” is empty."))
        draft.messages = self._with_pictures(self._with_system(draft.messages, columns), row, draft.notes)

    def _answer(self, row: MappingType[str, Any], column: str, columns: TurnColumns) -> list[Message]:
        if column in self.templates:
            return columns.said(column, "assistant") or [{"role": "assistant", "content": ""}]
        return preferences.answer_turns(row[column], column, columns.notes)

    def _prompt(self, row: MappingType[str, Any], columns: TurnColumns) -> tuple[str, list[Message]]:
        """Return the column of the prompt and its turns; those of several columns if they have roles."""
        prompt = self.prompt or self.messages
        if not prompt:
            return next(iter(self.roles), ""), columns.talk(ordered(self.roles))
        _require(row, prompt, "prompt")
        said = columns.said(prompt, "user", whole=True)
        return prompt, preferences.prompt_turns(said, columns.notes)


def _pairs(roles: Any) -> dict[str, str]:
    pairs = list(roles.items()) if isinstance(roles, MappingType) else roles
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise MappingError("`roles` must be pairs of a column and its role.")
    return dict(pairs)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(item, str) for item in pair)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, MappingType) or not all(isinstance(text, str) for text in value.values()):
        raise MappingError('`templates` must be an object of columns and texts, such as {"text": "Shorten: {text}"}.')
    return {str(column): text for column, text in value.items()}


def _named(columns: list[str]) -> str:
    more = f" and {len(columns) - NAMED:,} more" if len(columns) > NAMED else ""
    return f"{', '.join(f'“{column[:60]}”' for column in columns[:NAMED])}{more}"


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
        return read_json(value)
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
