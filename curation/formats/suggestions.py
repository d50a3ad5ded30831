"""Suggestions of a mapping, from the names and values of columns, with the reasons in words."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import replace
from typing import Any

from curation.formats.annotation_tools import argilla, label_studio
from curation.formats.conversations import SPEAKERS
from curation.formats.mapping import ALPACA, Mapping

MESSAGES = ("messages", "interactions", "conversations", "conversation", "dialog", "dialogue", "chat", "turns")
TOOLS = ("tools", "available_tools", "functions")
SYSTEM = ("system", "system_prompt", "system prompt", "systemprompt")
USER = (
    "prompt", "question", "instruction", "query", "user", "request", "problem", "input", "raw", "article",
    "frage", "pregunta", "domanda", "pergunta", "vraag",
)  # fmt: skip
ASSISTANT = (
    "completion", "response", "answer", "output", "assistant", "rewrite", "reply", "solution", "target", "summary",
    "réponse", "reponse", "antwort", "respuesta", "risposta", "resposta", "antwoord",
)  # fmt: skip
TEXT = ("text", "content", "body", "document", "article", "raw")
KEY = ("id", "key", "uuid", "uid", "_id", "record_id", "custom_id", "row_id")
GROUP = ("group", "source_group", "group_id", "document_id", "doc_id", "article_id", "source_id")
OURS = "atelier_"
META = ("metadata", "meta")
SINGLES = ("tools", "system", "group", "key")  # uses of one column that any kind of mapping can take on later


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
    mapping = replace(last, fields=[*last.fields], metadata=[*last.metadata], roles=dict(last.roles))
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
        answers = self._find(("chosen",)), self._find(("rejected",))
        if kind is None:
            whole = bool(messages) or {"user", "assistant"} <= set(turns.values())
            kind = "preferences" if all(answers) else "conversations" if whole else "documents"
        if kind == "preferences":
            mapping = self._preferences(*answers, messages)
        elif kind == "documents":
            mapping = self._documents()
        else:
            mapping = self._conversations(messages, turns)
        return self._with_rest(mapping), " ".join(self.why)

    def _find(self, names: Sequence[str]) -> str:
        by_name = {column.strip().lower().replace("-", "_"): column for column in reversed(self.columns)}
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
            if column.lower() in (*USER, *ASSISTANT, *TOOLS, "chosen", "rejected"):
                continue
            values = self._values(column)[:20]
            # Most of them: a bad row among the first ones must not turn a file of conversations into documents.
            if sum(map(_is_conversation, values)) * 2 > len(values):
                return column
        return ""

    def _turns(self) -> dict[str, str]:
        user, assistant = self._find(USER), self._find(ASSISTANT)
        found = ((self._find(SYSTEM), "system"), (user, "user"), (assistant, "assistant"))
        return {column: role for column, role in found if column} if user else {}

    def _conversations(self, messages: str, turns: dict[str, str]) -> Mapping:
        tools = self._find(TOOLS)
        self._take(tools, "holds the tools that the assistant can call, by its name")
        if messages:
            style = "sharegpt" if self._is_sharegpt(messages) else "chat"
            form = "in ShareGPT's form" if style == "sharegpt" else "as lists of messages"
            self._take(messages, f"holds whole conversations {form}")
            system = self._take(self._find(SYSTEM), "holds the system message, by its name")
            return Mapping("conversations", style, messages=messages, tools=tools, system=system)
        names = {column.lower() for column in self.columns}
        if {"instruction", "output"} <= names:
            self.used |= {column for column in self.columns if column.lower() in ALPACA}
            self.why.append("Instruction and output are the columns of the Alpaca form.")
            return Mapping("conversations", "alpaca", tools=tools)
        if not turns:
            column = self._take(self._longest(), "holds the longest text, so it is used as the user message")
            return Mapping("conversations", roles={column: "user"} if column else {}, tools=tools)
        for column, role in turns.items():
            said = "the system message" if role == "system" else f"the {role} message"
            self._take(column, f"is {said}, by its name")
        return Mapping("conversations", roles=turns, tools=tools)

    def _is_sharegpt(self, column: str) -> bool:
        first = next(filter(_is_conversation, self._values(column)), None)
        return '"from"' in first[:300] if isinstance(first, str) else "from" in first[0] if first else False

    def _preferences(self, chosen: str, rejected: str, messages: str) -> Mapping:
        self._take(chosen, "is the chosen answer, by its name")
        self._take(rejected, "is the rejected answer, by its name")
        prompt = messages or self._find(USER)
        self._take(prompt, "is the prompt of both answers")
        system = self._take(self._find(SYSTEM), "holds the system message, by its name")
        tools = self._take(self._find(TOOLS), "holds the tools that the assistant can call, by its name")
        return Mapping(
            "preferences", "preference", prompt=prompt, chosen=chosen, rejected=rejected, system=system, tools=tools
        )

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
        if mapping.kind != "documents" and (whole := self._find(("fields",))):
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


def _is_conversation(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip().startswith("[{") and ('"role"' in value[:300] or '"from"' in value[:300])
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return "role" in value[0] or str(value[0].get("from")) in SPEAKERS
