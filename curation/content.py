"""The draft of a record, made from a row before it is stored, with the hashes of its content and its source."""

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from curation.chat import Message, text_of

KINDS = ("documents", "conversations", "preferences")
HASHED = re.compile("[0-9a-f]{64}")
SORTED = orjson.OPT_SORT_KEYS


@dataclass
class Draft:
    """A draft of a record: `fields` of a document or `messages` of a conversation.

    For preferences, the two answers are message lists.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    chosen: list[Message] = field(default_factory=list)
    rejected: list[Message] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    key: str = ""
    marks: dict[str, Any] = field(default_factory=dict, compare=False)  # columns that an export takes along

    notes: list[str] = field(default_factory=list, compare=False)  # what the mapping read otherwise than it stands
    number: int = field(default=0, compare=False)  # of the record or row that it was made of, to name it by

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 in hex of the record's content: metadata, group and key are not part of it."""
        return content_hash(self.kind, self.fields, self.messages, self.chosen, self.rejected, self.tools)

    @property
    def source_group(self) -> str:
        """Return the SHA-256 in hex of the group, else of the source text: one source stays on one side of a split."""
        return source_group(self.group, self.fields, self.messages)


def content_hash(
    kind: str,
    fields: dict[str, Any],
    messages: list[Message],
    chosen: list[Message],
    rejected: list[Message],
    tools: list[Any],
) -> str:
    """Hash a record's content, the same on any machine: canonical JSON, keys sorted, text in NFC.

    Raises TypeError for text that is no Unicode (a lone surrogate).
    """
    content = {
        "kind": kind,
        "fields": fields,
        "messages": messages,
        "chosen": chosen,
        "rejected": rejected,
        "tools": tools,
    }
    return sha256(_canonical(content)).hexdigest()


def source_group(group: str, fields: dict[str, Any], messages: list[Message]) -> str:
    """Return the group of records of one source, which always get the same split.

    It is the given group if that is such a hash already, else the hash of its name, else of the first user message,
    else of all messages, else of the fields.
    """
    if HASHED.fullmatch(group):
        return group  # as an export carries it, whose records must stay with those of the same source
    if group:
        return sha256(_canonical({"group": group})).hexdigest()
    for message in messages:
        if message.get("role") == "user" and (text := text_of(message).strip()):
            return sha256(_canonical({"text": text})).hexdigest()
    written = [value for value in fields.values() if isinstance(value, str) and value.strip()]
    if len(written) == 1 and not messages:
        # A document and the conversation distilled from it as it stands belong together.
        return sha256(_canonical({"text": written[0].strip()})).hexdigest()
    return sha256(_canonical({"messages": messages} if messages else {"fields": fields})).hexdigest()


def _is_latin(text: str) -> bool:
    """Return whether a text is Latin-1, where NFC changes and joins nothing. Checking this takes a tenth of the time."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _canonical(content: Any) -> bytes:
    data = orjson.dumps(content, option=SORTED)
    if data.isascii():
        return data
    text = data.decode()
    if _is_latin(text) or unicodedata.is_normalized("NFC", text):
        return data
    # Keys may sort differently once normalised. No quote or bracket of JSON composes with anything.
    return orjson.dumps(orjson.loads(unicodedata.normalize("NFC", text)), option=SORTED)
