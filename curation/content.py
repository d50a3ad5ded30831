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
ASKING = ("system", "user")
SORTED = orjson.OPT_SORT_KEYS


MOST_LABELS, LABEL_LENGTH = 50, 100  # of a record, and characters of one


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
        """Return the SHA-256 in hex of the group, else of all that was asked: one source stays on one side of a split."""
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

    It is the given group if that is such a hash already, else the hash of its name, else of all that was asked (each
    system and user message, with its pictures), else of all messages, else of the fields. What the assistant and tools
    answered is no part of it, so all answers to one question stay together.
    """
    if HASHED.fullmatch(group):
        return group  # as an export carries it, whose records must stay with those of the same source
    if group:
        return sha256(_canonical({"group": group})).hexdigest()
    if asked := _asked(messages):
        # A document and the conversation distilled from it as it stands belong together, so one text is hashed alike.
        alone = asked[0]["asked"] if len(asked) == 1 and asked[0]["role"] == "user" else None
        return sha256(_canonical({"text": alone} if isinstance(alone, str) else {"asked": asked})).hexdigest()
    filled = [value for value in fields.values() if value not in (None, "", [], {})]
    if len(filled) == 1 and isinstance(filled[0], str) and filled[0].strip() and not messages:
        return sha256(_canonical({"text": filled[0].strip()})).hexdigest()
    return sha256(_canonical({"messages": messages} if messages else {"fields": fields})).hexdigest()


def _asked(messages: list[Message]) -> list[dict[str, Any]]:
    """Return role and content of each message that asks something; nothing if no user does.

    A first message such as "Classify this text:" may be the same everywhere, and so may a sentence beside a picture.
    """
    asked = [
        {"role": message["role"], "asked": said}
        for message in messages
        if message.get("role") in ASKING and (said := _content(message))
    ]
    return asked if any(each["role"] == "user" for each in asked) else []


def _content(message: Message) -> str | list[Any]:
    """Return a message's text without blanks around it; if it has other parts too, all parts. The same text in either form."""
    content = message.get("content")
    if not isinstance(content, list):
        return text_of(message).strip()
    others = [part for part in content if not (isinstance(part, dict) and part.get("type") == "text")]
    text = text_of(message).strip()
    return [text, *others] if others else text


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
