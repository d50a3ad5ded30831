"""The options of a bulk action besides its filters: read by allow-list, from a form or from JSON."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from atelier.accounts.models import Membership, Role
from atelier.web import border
from curation.bulk import keys, replace
from curation.checks import record_fixes
from curation.models import BulkAction, Dataset, Record
from curation.records.changes import REVIEW, clean_labels

Action = BulkAction.Action
PIECES = ("all", "fields", "system", "user", "assistant", "tool", "chosen", "rejected", "metadata")
PLAIN = {*REVIEW, Action.DELETE, Action.SPLIT}
KEEP = "keep"  # a copy has the status of what it was copied from


def clean(dataset: Dataset, action: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the options of an action and complete them. Raises ValidationError for an unknown action, option or value."""
    if action not in PLAIN and action not in CLEANERS:
        raise ValidationError(
            f"No action is called {action[:40]!r}. Use one of {', '.join(sorted([*PLAIN, *CLEANERS]))}."
        )
    allowed = NAMES.get(action, ())
    if unknown := sorted(options.keys() - set(allowed)):
        raise ValidationError(
            f"{action} has no option {unknown[0][:40]!r}" + (f". Use {', '.join(allowed)}." if allowed else ".")
        )
    return CLEANERS[action](dataset, options) if action in CLEANERS else {}


def _labels(_: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    labels = clean_labels(options.get("labels"))
    if not labels:
        raise ValidationError("Enter at least one label.")
    return {"labels": labels}


def replacement(options: Mapping[str, Any]) -> replace.Replacement:
    return replace.Replacement(**{name: options[name] for name in ("find", "replace", "regex", "case", "words")})


def _replace(_: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {
        "find": _text(options, "find", replace.MOST_FIND),
        "replace": _text(options, "replace", replace.MOST_REPLACE),
        "regex": _flag(options, "regex"),
        "case": _flag(options, "case"),
        "words": _flag(options, "words"),
        "pieces": _one_of(options.get("pieces") or "all", PIECES, "pieces"),
    }
    if not cleaned["find"]:
        raise ValidationError("Enter a text to find.")
    try:
        with replace.Replacer(replacement(cleaned)):
            return cleaned
    except replace.BadPattern as error:
        raise ValidationError(str(error)) from error


def _mask(_: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    return {"pieces": _one_of(options.get("pieces") or "all", PIECES, "pieces")}


def _copy(dataset: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    target = dataset.project.datasets.filter(pk=_id(options.get("dataset"))).first()
    if target is None:
        raise ValidationError("Choose a dataset of this project to copy into.")
    if target.pk == dataset.pk:
        raise ValidationError("The records are already in this dataset. Choose another one to copy into.")
    if target.kind != dataset.kind:
        raise ValidationError(f"{target.name} holds {target.kind}. Choose a dataset of {dataset.kind}.")
    return {
        "dataset": target.pk,
        "status": _one_of(options.get("status") or "new", (KEEP, *Record.Status.values), "status"),
    }


def _assign(dataset: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    names = options.get("users")
    if not isinstance(names, list | tuple) or not names or len(names) > 200:
        raise ValidationError("Choose at least one person, by their usernames.")
    names = list(dict.fromkeys(str(name) for name in names))
    members = Membership.objects.filter(team=dataset.project.team, user__username__in=names).exclude(role=Role.VIEWER)
    ids = dict(members.values_list("user__username", "user_id"))
    if missing := [name for name in names if name not in ids]:
        raise ValidationError(f"{missing[0][:60]} can't annotate in this team.")
    return {"users": [ids[name] for name in names], "evenly": _flag(options, "evenly")}


def _fix(_: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    codes = options.get("codes") or []
    if not isinstance(codes, list | tuple) or len(codes) > 100:
        raise ValidationError("`codes` must be a list of problem codes.")
    if unknown := [code for code in codes if not isinstance(code, str) or code not in record_fixes.FIXABLE]:
        raise ValidationError(
            f"{str(unknown[0])[:60]!r} isn't a problem that can be fixed. Use {', '.join(sorted(record_fixes.FIXABLE))}."
        )
    return {"codes": list(codes)}


def _key(dataset: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {
        "place": _one_of(options.get("place") or "metadata", keys.PLACES, "place"),
        "change": _one_of(options.get("change"), keys.CHANGES, "change"),
        "key": _text(options, "key", keys.MOST_KEY),
        "to": _text(options, "to", keys.MOST_KEY),
        "into": "",
    }
    place, change = cleaned["place"], cleaned["change"]
    if not cleaned["key"]:
        raise ValidationError("Enter the key to change.")
    if place == "messages" and dataset.kind == "documents":
        raise ValidationError("Documents have no messages. Change a key of the metadata or the source fields.")
    if place == "messages" and cleaned["key"] in keys.NEEDED:
        raise ValidationError(f"“{cleaned['key']}” cannot be changed, because a message needs it.")
    if change == "rename" and (not cleaned["to"] or cleaned["to"] == cleaned["key"]):
        raise ValidationError("Enter another name for the key.")
    if change == "move":
        cleaned["into"] = _one_of(options.get("into"), keys.TARGETS, "into")
        if cleaned["into"] == place:
            raise ValidationError("The key is already there. To give it another name, rename it.")
        if cleaned["into"] == "system" and dataset.kind == "documents":
            raise ValidationError("Documents have no messages, so there is no system message.")
        cleaned["to"] = "" if cleaned["into"] == "system" else cleaned["to"] or cleaned["key"]
    elif change == "remove" and cleaned["to"]:
        raise ValidationError("A key that is removed gets no other name. Leave `to` empty, or choose another change.")
    return cleaned


def _text(given: Mapping[str, Any], name: str, longest: int) -> str:
    value = given.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise ValidationError(f"`{name}` must be a text of at most {longest:,} characters.")
    return border.text(value, f"`{name}`").replace("\r\n", "\n")


def _flag(given: Mapping[str, Any], name: str) -> bool:
    return given.get(name) in (True, "1", "on", "true")


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise ValidationError(f"`{name}` cannot be {str(value)[:40]!r}. Use one of {', '.join(allowed)}.")
    return str(value)


def _id(value: Any) -> int:
    return border.whole(value) or 0


CLEANERS: dict[str, Callable[[Dataset, Mapping[str, Any]], dict[str, Any]]] = {
    Action.LABEL: _labels,
    Action.UNLABEL: _labels,
    Action.REPLACE: _replace,
    Action.MASK: _mask,
    Action.FIX: _fix,
    Action.COPY: _copy,
    Action.ASSIGN: _assign,
    Action.KEY: _key,
}
NAMES: dict[str, tuple[str, ...]] = {
    Action.LABEL: ("labels",),
    Action.UNLABEL: ("labels",),
    Action.REPLACE: ("find", "replace", "regex", "case", "words", "pieces"),
    Action.MASK: ("pieces",),
    Action.FIX: ("codes",),
    Action.COPY: ("dataset", "status"),
    Action.ASSIGN: ("users", "evenly"),
    Action.KEY: ("place", "key", "change", "to", "into"),
}
