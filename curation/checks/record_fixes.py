"""Automatic fixes of a record's problems, as a function of its columns.

Nothing is written here; the caller shows the result first, or applies it as a change with history.
"""

import copy
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import ftfy
import orjson

from curation.chat import text_of
from curation.checks import markup, pii
from curation.checks.dumps import undumped
from curation.checks.fixes import fix as fix_form
from curation.checks.fixes import fix_forms
from curation.checks.names import known_names, names_of
from curation.checks.record import PERSONAL
from curation.checks.turns import ended_prompt

COLUMNS = ("fields", "messages", "tools", "chosen", "rejected")
Columns = dict[str, Any]
TextFix = Callable[[str], str]
# What the rules of conversations say can be fixed: curation.checks.conversation, .tools and .parts.
FORM = frozenset(
    """old-role old-key empty-beside-calls last-not-assistant call-id-twice old-tool id-missing id-bad arguments-object
    unknown-key unknown-role bad-weight calls-form call-form content-form thoughts-in-text""".split()  # noqa: SIM905
)
FIXABLE = frozenset(
    {
        *FORM,
        "answer-in-prompt",
        "json-as-text",
        "mojibake",
        "html",
        *(f"{PERSONAL}{kind.lower()}" for kind in pii.KINDS),
    }
)


def fix_record(columns: Columns, codes: Iterable[str] = ()) -> tuple[Columns, list[str]]:
    """Return the columns that change, fixed, and what was done, in words.

    Fixes only `codes`, or everything fixable without any.

    `columns` holds some or all of COLUMNS and is left as it was. Fixing what was fixed changes nothing.
    """
    chosen = frozenset(codes) & FIXABLE if codes else FIXABLE
    fixed = {name: copy.deepcopy(columns[name]) for name in COLUMNS if columns.get(name)}
    notes: list[str] = []
    if "json-as-text" in chosen:
        _fix_dumps(fixed, notes)
    if chosen & FORM and "messages" in fixed:
        _fix_form(fixed, notes)
    if "answer-in-prompt" in chosen:
        _fix_prompt(fixed, notes)
    if "mojibake" in chosen:
        _each_text(fixed, fix_characters, "Broken characters were fixed", notes)
    if "html" in chosen:
        _fix_html(fixed, notes)
    kinds = {kind for kind in pii.KINDS if f"{PERSONAL}{kind.lower()}" in chosen}
    if kinds:
        _mask(fixed, kinds, notes)
    return {name: value for name, value in fixed.items() if value != columns[name]}, notes


def _fix_form(fixed: Columns, notes: list[str]) -> None:
    """Fix the form; of preferences, each answer as the end of the conversation.

    Their prompt keeps its turns, because it ends with a user.
    """
    if not (fixed.get("chosen") or fixed.get("rejected")):
        fixed["messages"], tools, done = fix_form(fixed["messages"], fixed.get("tools"))
        notes += done
        if tools is not None:
            fixed["tools"] = tools
        return
    fixed["messages"], said = fix_forms(fixed["messages"])
    notes += said
    turns = len(fixed["messages"])
    for name in ("chosen", "rejected"):
        whole, _, done = fix_form([*fixed["messages"], *fixed.get(name, [])])
        if len(whole) > turns:
            fixed[name] = whole[turns:]
            notes += [f"{name.capitalize()}: {note}" for note in done if note not in notes]


def _fix_dumps(fixed: Columns, notes: list[str]) -> None:
    """Put conversations that were written as JSON into a text back into turns."""
    before: list[Any] = []
    for name in ("messages", "chosen", "rejected"):
        turns = undumped(fixed.get(name, []), before)
        if turns is not None:
            fixed[name] = turns
            notes.append(f"JSON in the {name} was replaced by the turns in it.")
        if name == "messages":
            before = fixed.get("messages", [])


def _fix_prompt(fixed: Columns, notes: list[str]) -> None:
    """End the prompt of a preference before its answers."""
    prompt, chosen, rejected = (fixed.get(name, []) for name in ("messages", "chosen", "rejected"))
    if not (chosen and rejected) or (ended := ended_prompt(prompt, chosen, rejected)) is None:
        return
    if ended[0] != prompt:
        notes.append("The answer was removed from the end of the prompt.")
    if ended[1:] != (chosen, rejected):
        notes.append("The prompt was removed from the beginning of the answers.")
    fixed["messages"], fixed["chosen"], fixed["rejected"] = ended


def fix_characters(text: str) -> str:
    """Repair text that was read in a wrong encoding (ftfy). Nothing else of it changes."""
    return ftfy.fix_encoding(text)


def _fix_html(fixed: Columns, notes: list[str]) -> None:
    """Turn texts that are HTML as a whole into plain text, unless another message speaks of HTML; say what goes."""
    gone: list[str] = []

    def change(text: str) -> str:
        gone.extend(markup.removed(text))
        return markup.fix_html(text)

    columns = ("fields",) if _asks_for_html(fixed) else ("fields", "messages", "chosen", "rejected")
    changed = [name for name in columns if name in fixed and _walk(fixed, name, change)]
    if changed:
        notes.append(f"Leftover HTML was removed in the {' and the '.join(changed)}: {', '.join(dict.fromkeys(gone))}.")


def _asks_for_html(columns: Columns) -> bool:
    """Return whether a message that isn't HTML as a whole speaks of HTML, so that the others may be meant as they are."""
    said = (
        text_of(message)
        for name in ("messages", "chosen", "rejected")
        for message in columns.get(name) or []
        if isinstance(message, dict)
    )
    return any(markup.is_about_markup(text) for text in said if not markup.is_page(text))


def _each_text(fixed: Columns, change: TextFix, note: str, notes: list[str]) -> None:
    changed = [name for name in COLUMNS if name in fixed and _walk(fixed, name, change)]
    if changed:
        notes.append(f"{note} in the {' and the '.join(changed)}.")


def _walk(holder: Any, key: Any, change: TextFix, inside: str = "") -> bool:
    """Change the texts below a place of a column, in place. Returns True when any of them changed."""
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


def _in_json(text: str, change: TextFix) -> str:
    """Change the texts in the arguments of a call, which are JSON in a string and stay that."""
    try:
        box = {"": orjson.loads(text)}
    except orjson.JSONDecodeError:
        return change(text)
    return orjson.dumps(box[""]).decode() if _walk(box, "", change) else text


def _mask(fixed: Columns, kinds: set[str], notes: list[str]) -> None:
    """Mask personal data, one placeholder per value in the whole record.

    The names are therefore learned before anything is masked.
    """
    seen: pii.Seen = {}
    if "NAME" in kinds:
        _learn_names(fixed, seen)
    count = SimpleNamespace(masked=0)

    def change(text: str) -> str:
        masked, findings = pii.mask(text, seen, kinds)
        count.masked += len(findings)
        return masked

    for name in COLUMNS:
        if name in fixed and name != "tools":
            _walk(fixed, name, change)
    if count.masked:
        places = "place" if count.masked == 1 else "places"
        notes.append(f"Personal data was masked in {count.masked} {places}.")


def _learn_names(fixed: Columns, seen: pii.Seen) -> None:
    def learn(text: str) -> str:
        pii.learn(known_names(text), seen)
        return text

    pii.learn(names_of(fixed.get("fields", {})), seen)
    for name in COLUMNS:
        if name in fixed and name != "tools":
            _walk(fixed, name, learn)
