"""Mending a record: what of its problems can be put right without a person, as a function of its columns.

Nothing is written here; whoever asks shows the result first, or applies it as a change with history.
"""

import copy
import html
import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import ftfy
import orjson

from curation.checks import pii
from curation.checks.mending import mend as mend_form
from curation.checks.names import known_names, names_of
from curation.checks.records import PERSONAL
from curation.checks.texts import CODE, ENTITY, TAG

COLUMNS = ("fields", "messages", "tools", "chosen", "rejected")
Columns = dict[str, Any]
TextMend = Callable[[str], str]
# What the rules of conversations say can be mended: curation.checks.conversation, .tools and .parts.
FORM = frozenset(
    "old-role old-key empty-beside-calls last-not-assistant call-id-twice old-tool id-missing id-bad arguments-object".split()  # noqa: SIM905
)
# Of these the content goes too: nobody read it on the page. By their first letters, how each ends.
UNSEEN = re.compile(r"<!--|<(?:script|style)(?:\s[^<>]{0,300})?>", re.IGNORECASE)
ENDS = {
    start: re.compile(end, re.IGNORECASE)
    for start, end in (("<!--", "-->"), ("<scr", r"</script\s*>"), ("<sty", r"</style\s*>"))
}
BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s*/?>", re.IGNORECASE)
MENDABLE = frozenset({*FORM, "mojibake", "html", *(f"{PERSONAL}{kind.lower()}" for kind in pii.KINDS)})


def mend_record(columns: Columns, codes: Iterable[str] = ()) -> tuple[Columns, list[str]]:
    """The columns that change, mended, and what was done, in words. Of `codes` only; of everything mendable without any.

    `columns` holds some or all of COLUMNS and is left as it was. Mending what was mended changes nothing.
    """
    wanted = frozenset(codes) & MENDABLE if codes else MENDABLE
    mended = {name: copy.deepcopy(columns[name]) for name in COLUMNS if columns.get(name)}
    notes: list[str] = []
    if wanted & FORM and "messages" in mended:
        _mend_form(mended, notes)
    if "mojibake" in wanted:
        _each_text(mended, fix_characters, "Broken characters were put right", notes)
    if "html" in wanted:
        _each_text(mended, without_html, "Leftover HTML was taken out", notes)
    kinds = {kind for kind in pii.KINDS if f"{PERSONAL}{kind.lower()}" in wanted}
    if kinds:
        _mask(mended, kinds, notes)
    return {name: value for name, value in mended.items() if value != columns[name]}, notes


def _mend_form(mended: Columns, notes: list[str]) -> None:
    """Of preferences each answer is mended as the end of the conversation; the prompt stays, for it ends with a user."""
    if not (mended.get("chosen") or mended.get("rejected")):
        mended["messages"], tools, said = mend_form(mended["messages"], mended.get("tools"))
        notes += said
        if tools is not None:
            mended["tools"] = tools
        return
    turns = len(mended["messages"])
    for name in ("chosen", "rejected"):
        whole, _, said = mend_form([*mended["messages"], *mended.get(name, [])])
        if len(whole) > turns:
            mended[name] = whole[turns:]
            notes += [f"{name.capitalize()}: {note}" for note in said if note not in notes]


def fix_characters(text: str) -> str:
    """Text that was read in a wrong encoding, read again in the right one (ftfy). Nothing else of it changes."""
    return ftfy.fix_encoding(text)


def without_html(text: str) -> str:
    """Tags go, line breaks of theirs become line breaks, entities become characters; code stays as it is."""
    pieces, at = [], 0
    for code in CODE.finditer(text):
        pieces += [_plain(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*pieces, _plain(text[at:])])


def _plain(text: str) -> str:
    # To the end, for one entity may hide another: mending twice must change nothing.
    while (now := _plainer(text)) != text:
        text = now
    return text


def _plainer(text: str) -> str:
    without = TAG.sub("", BREAK.sub("\n", _without_unseen(text)))
    return ENTITY.sub(lambda found: html.unescape(found[0]), without)


def _without_unseen(text: str) -> str:
    """One way through the text, however many of them never end."""
    pieces, at, endless = [], 0, set()
    for found in UNSEEN.finditer(text):
        start = found[0][:4].lower()
        if found.start() < at or start in endless:
            continue
        if end := ENDS[start].search(text, found.end()):
            pieces.append(text[at : found.start()])
            at = end.end()
        else:
            endless.add(start)
    return "".join([*pieces, text[at:]])


def _each_text(mended: Columns, change: TextMend, note: str, notes: list[str]) -> None:
    changed = [name for name in COLUMNS if name in mended and _walk(mended, name, change)]
    if changed:
        notes.append(f"{note} in the {' and the '.join(changed)}.")


def _walk(holder: Any, key: Any, change: TextMend, inside: str = "") -> bool:
    """Change the texts below a place of a column, where they stand. True when any became another."""
    value = holder[key]
    if isinstance(value, str):
        new = _in_json(value, change) if inside == "arguments" else change(value)
        holder[key] = new
        return new != value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return any([_walk(value, step, change, str(step)) for step, inner in list(items) if _holds_text(step, inner)])  # noqa: C419 - all


# Names and ids of tools, roles, types and addresses of images are no text.
NOT_TEXT = frozenset({"role", "type", "id", "tool_call_id", "name", "url", "image_url", "parameters", "weight"})


def _holds_text(step: Any, inner: Any) -> bool:
    return isinstance(inner, dict | list) or (isinstance(inner, str) and step not in NOT_TEXT)


def _in_json(text: str, change: TextMend) -> str:
    """The arguments of a call are JSON in a string, and stay that."""
    try:
        box = {"": orjson.loads(text)}
    except orjson.JSONDecodeError:
        return change(text)
    return orjson.dumps(box[""]).decode() if _walk(box, "", change) else text


def _mask(mended: Columns, kinds: set[str], notes: list[str]) -> None:
    """One placeholder for one value in the whole record, so the names are learned before anything is masked."""
    seen: pii.Seen = {}
    if "NAME" in kinds:
        _learn_names(mended, seen)
    count = SimpleNamespace(masked=0)

    def change(text: str) -> str:
        masked, findings = pii.mask(text, seen, kinds)
        count.masked += len(findings)
        return masked

    for name in COLUMNS:
        if name in mended and name != "tools":
            _walk(mended, name, change)
    if count.masked:
        places = "place" if count.masked == 1 else "places"
        notes.append(f"Personal data was masked in {count.masked} {places}.")


def _learn_names(mended: Columns, seen: pii.Seen) -> None:
    def learn(text: str) -> str:
        pii.learn(known_names(text), seen)
        return text

    pii.learn(names_of(mended.get("fields", {})), seen)
    for name in COLUMNS:
        if name in mended and name != "tools":
            _walk(mended, name, learn)
