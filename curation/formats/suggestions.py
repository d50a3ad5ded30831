"""Suggestions of a mapping, from the names and values of columns, with the reasons in words."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import replace
from typing import Any

from curation.checks.dumps import dumped
from curation.formats import pictures
from curation.formats.annotation_tools import argilla, label_studio
from curation.formats.cells import ALTERNATIVES, is_empty, is_pair, json_in
from curation.formats.column_names import (
    ASSISTANT,
    CHOSEN,
    GROUP,
    HISTORY,
    KEY,
    MESSAGES,
    PICTURES,
    PROSE,
    REJECTED,
    SYSTEM,
    TEXT,
    TOOLS,
    USER,
    plain_name,
)  # fmt: skip
from curation.formats.conversations import by_speakers, turns_in
from curation.formats.mapping import OURS, Mapping
from curation.formats.turns import ALPACA

META = ("metadata", "meta")
SINGLES = ("tools", "images", "system", "group", "key")  # uses of one column that any kind of mapping can take on later


def suggest(
    columns: Sequence[str], rows: Iterable[MappingType[str, Any]] = (), kind: str | None = None
) -> tuple[Mapping, str]:
    """Suggest the likeliest mapping from the columns' names and the first rows' values, and return why, in sentences.

    `kind` fixes what the dataset takes. The mapping may still lack something that only a person knows: `validate` finds
    out.
    """
    return _Suggestion(columns, list(rows)).mapping(kind)


def suggest_tasks(
    tool: str, columns: Sequence[str], rows: Sequence[MappingType[str, Any]], kind: str | None = None
) -> tuple[Mapping, str]:
    """Suggest a mapping for another tool's tasks: conversations if every task has one, else all columns as fields.

    The task's id is the key.
    """
    own = (argilla.KEY, argilla.META) if tool == "argilla" else (label_studio.KEY, label_studio.META)
    data = [name for name in columns if name not in own]
    mapping, why = suggest(data, rows, kind)
    whole = mapping.messages and all(row.get(mapping.messages) for row in rows)
    if kind in (None, "documents") and not whole:
        mapping, why = Mapping("documents", fields=data), "The data of each task becomes the fields of a document."
    mapping.key, mapping.group = own[0], ""
    used = set(mapping.columns)
    mapping.fields = mapping.fields or [name for name in data if name not in used]
    used |= set(mapping.columns)
    mapping.metadata = [name for name in columns if name not in used]
    return mapping, f"{why} “{own[0]}” identifies each task, so importing again won't create duplicates."


def with_new(last: Mapping, fresh: Mapping, new: Collection[str]) -> Mapping:
    """Return an earlier file's mapping, with uses for the columns that are new in this file.

    Those uses are of a fresh suggestion for the same kind if they are still free, else metadata. The use of the earlier
    columns stays as it was.
    """
    mapping = replace(
        last, fields=[*last.fields], metadata=[*last.metadata], roles=dict(last.roles), templates=dict(last.templates)
    )
    singles = {getattr(fresh, name): name for name in SINGLES if getattr(fresh, name)}
    for column in new:
        role, single = fresh.roles.get(column, ""), singles.get(column, "")
        if column.startswith(OURS):
            continue
        if column in fresh.fields:
            mapping.fields.append(column)
        elif role and last.style == "columns" and role not in mapping.roles.values():
            mapping.roles[column] = role
        elif (
            single and not getattr(mapping, single) and not (single == "system" and "system" in mapping.roles.values())
        ):
            setattr(mapping, single, column)
        else:
            mapping.metadata.append(column)
    return mapping


class _Suggestion:
    def __init__(self, columns: Sequence[str], rows: list[MappingType[str, Any]]) -> None:
        self.columns = list(columns)
        self.rows = rows
        self.why: list[str] = []
        # What an export of ours tells of the review says nothing about the content.
        self.used: set[str] = {column for column in columns if column.startswith(OURS)}
        self.ours = bool(self.used)

    def mapping(self, kind: str | None) -> tuple[Mapping, str]:
        messages, turns = self._messages(), self._turns()
        answers = self._answers()
        fixed = kind is not None
        if kind is None:
            whole = bool(messages) or {"user", "assistant"} <= set(turns.values())
            kind = "preferences" if all(answers) else "conversations" if whole else "documents"
        if kind == "preferences":
            mapping = self._preferences(*answers, messages, turns)
        elif kind == "documents":
            offer = {} if fixed else self._short_answer()
            mapping = self._documents()
            self._offer(offer)
        else:
            mapping = self._conversations(messages, turns)
        return self._with_rest(mapping), " ".join(self.why)

    def _find(self, names: Sequence[str]) -> str:
        by_name = {plain_name(column): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), "")

    def _values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows if row.get(column) not in (None, "")]

    def _take(self, column: str, reason: str) -> str:
        if column:
            self.used.add(column)
            self.why.append(f"“{column}” {reason}.")
        return column

    def _messages(self) -> str:
        named = self._find(MESSAGES)
        for column in ([named] if named else []) + self.columns:
            if plain_name(column) in (*USER, *ASSISTANT, *TOOLS, *HISTORY, *CHOSEN, *REJECTED):
                continue
            values = self._values(column)[:20]
            # Most of them: a bad row among the first ones must not turn a file of conversations into documents.
            if sum(_is_conversation(value, column == named) for value in values) * 2 > len(values):
                return column
        return ""

    def _answers(self) -> tuple[str, str]:
        """Return the columns of the chosen and of the rejected answer; one column twice that holds pairs of both."""
        chosen, rejected = self._find(CHOSEN), self._find(REJECTED)
        if chosen and rejected:
            return chosen, rejected
        for column in filter(None, (self._find([name]) for name in ASSISTANT)):
            values = self._values(column)
            # Answers in the plural may all be right, and lists of any length are no pairs.
            if values and all(map(_is_pair, values)) and not ALTERNATIVES.fullmatch(plain_name(column)):
                return column, column
        return "", ""

    def _turns(self) -> dict[str, str]:
        """Return the columns of a question, its context and its answer, in their order; none without a question."""
        answer = self._find(ASSISTANT)
        asked = [column for name in USER if (column := self._find([name]))]
        prose = self._find(PROSE) if answer and not asked else ""
        user = [*dict.fromkeys(asked), *([prose] if prose else [])]
        if not user:
            return {}
        found = (
            (self._find(SYSTEM), "system"),
            (self._find(HISTORY), "history"),
            *((column, "user") for column in user),
        )
        return {column: role for column, role in (*found, (answer, "assistant")) if column}

    def _short_answer(self) -> dict[str, str]:
        """Return the roles of two columns of text of which one is short: the answer."""
        others = (self._key(), self._find(GROUP))
        free = [column for column in self.columns if column not in self.used and column not in others]
        texts = [column for column in free if any(map(_has_letters, self._values(column)))]
        if len(texts) != 2 or len(free) > 2:
            return {}
        sizes = [sum(len(str(value)) for value in self._values(column)) for column in texts]
        short, long = sorted(zip(sizes, texts, strict=True))
        return {long[1]: "user", short[1]: "assistant"} if short[0] * 2 < long[0] else {}

    def _offer(self, turns: dict[str, str]) -> None:
        """Tell that documents could be conversations with these roles of their columns."""
        for question, answer in [tuple(turns)] if turns else []:
            said = f"“{question}” as the question and “{answer}” as the answer"
            self.why.append(f"The rows could also be conversations, with {said}: choose that under “Import rows as”.")

    def _conversations(self, messages: str, turns: dict[str, str]) -> Mapping:
        tools = self._take(self._find(TOOLS), "holds the tools that the assistant can call, by its name")
        images = self._pictures()
        if messages:
            style = "sharegpt" if self._is_sharegpt(messages) else "chat"
            form = "in ShareGPT's form" if style == "sharegpt" else "as lists of messages"
            self._take(messages, f"holds whole conversations {form}")
            system = self._find(SYSTEM)
            system = self._take(system if system != messages else "", "holds the system message, by its name")
            return Mapping("conversations", style, messages=messages, tools=tools, system=system, images=images)
        if {"instruction", "output"} <= turns.keys() <= ALPACA.keys():
            self.used |= turns.keys()
            self.why.append("Instruction and output are the columns of the Alpaca form.")
            return Mapping("conversations", "alpaca", tools=tools, images=images)
        if not turns and (turns := self._short_answer()):
            self.why.append("Of two columns of text the short one is used as the answer.")
        elif not turns:
            column = self._take(self._longest(), "holds the longest text, so it is used as the user message")
            return Mapping("conversations", roles={column: "user"} if column else {}, tools=tools, images=images)
        else:
            self._explain(turns)
        self.used |= turns.keys()
        return Mapping("conversations", roles=turns, tools=tools, images=images)

    def _explain(self, turns: dict[str, str]) -> None:
        asked = [column for column, role in turns.items() if role == "user"]
        for column, role in turns.items():
            said = {"system": "the system message", "history": "the earlier turns"}.get(role, f"the {role} message")
            part = "a part of " if role == "user" and len(asked) > 1 else ""
            self._take(column, f"is {part}{said}, by its name")

    def _pictures(self) -> str:
        """Return the column of pictures, known by its name and by its values."""
        for column in filter(None, (self._find([name]) for name in PICTURES)):
            given = self._values(column)
            values = [value for value in given if not is_empty(value)]
            # Where the first rows have lists without a picture, later ones have lists with some.
            if given and all(map(pictures.is_picture, values)):
                return self._take(column, "holds pictures, by its name; each takes the place of an <image> mark")
        return ""

    def _is_sharegpt(self, column: str) -> bool:
        first = next((value for value in self._values(column) if _is_conversation(value, True)), None)
        turns = turns_in(json_in(first) if isinstance(first, str) else first, column, [])
        return turns is not None and "from" in turns[0]

    def _preferences(self, chosen: str, rejected: str, messages: str, turns: dict[str, str]) -> Mapping:
        if chosen == rejected:
            self._take(chosen, "holds pairs of outputs, the first of which is taken as the chosen answer")
        else:
            self._take(chosen, "is the chosen answer, by its name")
            self._take(rejected, "is the rejected answer, by its name")
        turns = {
            column: role for column, role in turns.items() if role in ("user", "history") and column not in self.used
        }
        asked = [column for column, role in turns.items() if role == "user"]
        prompt = messages or (asked[0] if len(turns) == 1 and asked else "")
        roles = {} if prompt or not asked else turns
        self._take(prompt, "is the prompt of both answers")
        for column in roles:
            self._take(column, "is a part of the prompt of both answers, by its name")
        return Mapping(
            "preferences", "preference", prompt=prompt, chosen=chosen, rejected=rejected, roles=roles,
            system=self._take(self._find(SYSTEM), "holds the system message, by its name"),
            tools=self._take(self._find(TOOLS), "holds the tools that the assistant can call, by its name"),
            images=self._pictures(),
        )  # fmt: skip

    def _documents(self) -> Mapping:
        if whole := self._take(self._find(("fields",)), "holds the fields of each document, by its name"):
            return Mapping("documents", fields=[whole])
        text = self._take(self._find(TEXT) or self._longest(), "is the text of each document")
        named = (text, self._key(), self._find(GROUP))
        others = [column for column in self.columns if column not in named]
        long = [column for column in others if column.lower() not in META and self._is_prose(column)]
        for column in long:
            self._take(column, "holds sentences, so it becomes another field")
        return Mapping("documents", fields=[text, *long] if text else [])

    def _longest(self) -> str:
        free = [column for column in self.columns if column not in self.used]
        sizes = {column: sum(len(str(value)) for value in self._values(column)) for column in free}
        return max(free, key=lambda column: sizes[column], default="")

    def _is_prose(self, column: str) -> bool:
        texts = [value for value in self._values(column) if isinstance(value, str)]
        return bool(texts) and sum(len(text.split()) for text in texts) / len(texts) >= 8

    def _key(self) -> str:
        """Return a column named like a key, whose values differ from row to row. A few rows may lack it, as bad ones do."""
        column = self._find(KEY)
        if column and self.ours:
            return column  # an export of ours: records without a key have an empty one
        values = [str(value) for value in self._values(column)] if column else []
        return column if len(set(values)) == len(values) > len(self.rows) / 2 else ""

    def _with_rest(self, mapping: Mapping) -> Mapping:
        key, group = self._key(), self._find(GROUP)
        mapping.key = self._take(
            key if key not in self.used else "", "identifies each row, because no two rows share a value"
        )
        group = group if group not in self.used else ""
        mapping.group = self._take(group, "groups rows, by its name; rows of one group stay in one split")
        whole = self._find(("fields",))
        if mapping.kind != "documents" and whole and whole not in self.used:
            mapping.fields = [self._take(whole, "holds the source columns, by its name")]
        if self.ours:
            self.why.append(
                f"Columns that begin with “{OURS}” describe the review in the tool they came from, so they are ignored."
            )
        mapping.metadata = [column for column in self.columns if column not in self.used]
        if mapping.metadata:
            shown = ", ".join(f"“{column}”" for column in mapping.metadata[:8])
            self.why.append(f"{shown}{', …' if len(mapping.metadata) > 8 else ''}: imported as metadata.")
        return mapping


def _is_pair(value: Any) -> bool:
    """Return whether a cell holds a pair of outputs; a list of two names as JSON text is an answer."""
    if not isinstance(value, str):
        return is_pair(value)
    inner = json_in(value)
    if isinstance(inner, list) and all(isinstance(each, str) for each in inner):
        return dumped(value) == "a pair of outputs"
    return is_pair(inner)


def _has_letters(value: Any) -> bool:
    return isinstance(value, str) and any(character.isalpha() for character in value)


def _is_conversation(value: Any, is_named_so: bool) -> bool:
    """Return whether a cell holds a conversation; roles are anything where the column's name says that it does."""
    value = json_in(value) if isinstance(value, str) else value
    if is_named_so and isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return True
    return turns_in(value, "", [], strictly=True) is not None or by_speakers(value) is not None
