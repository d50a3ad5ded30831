"""What an action was told besides its filters: read by allow-list, from a form or from JSON."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from atelier.accounts.models import Membership, Role
from curation import finding
from curation.checks import mends
from curation.models import BulkAction, Dataset, Record
from curation.records import REVIEW, clean_labels

Action = BulkAction.Action
PIECES = ("all", "fields", "system", "user", "assistant", "tool", "chosen", "rejected", "metadata")
PLAIN = {*REVIEW, Action.DELETE, Action.SPLIT}
KEEP = "keep"  # a copy has the status of what it was copied from


def clean(dataset: Dataset, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an action, complete. Raises ValidationError for an unknown action, option or value."""
    if action not in PLAIN and action not in CLEANERS:
        raise ValidationError(
            f"There is no action {action[:40]!r}: use one of {', '.join(sorted([*PLAIN, *CLEANERS]))}."
        )
    allowed = NAMES.get(action, ())
    if unknown := sorted(given.keys() - set(allowed)):
        raise ValidationError(
            f"{action} has no option {unknown[0][:40]!r}" + (f": use {', '.join(allowed)}." if allowed else ".")
        )
    return CLEANERS[action](dataset, given) if action in CLEANERS else {}


def _labels(_: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    labels = clean_labels(given.get("labels"))
    if not labels:
        raise ValidationError("Name at least one label.")
    return {"labels": labels}


def wish(given: Mapping[str, Any]) -> finding.Wish:
    return finding.Wish(**{name: given[name] for name in ("find", "replace", "regex", "case", "words")})


def _replace(_: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {
        "find": _text(given, "find", finding.MOST_FIND),
        "replace": _text(given, "replace", finding.MOST_REPLACE),
        "regex": _flag(given, "regex"),
        "case": _flag(given, "case"),
        "words": _flag(given, "words"),
        "pieces": _one_of(given.get("pieces") or "all", PIECES, "pieces"),
    }
    if not cleaned["find"]:
        raise ValidationError("Say what to find.")
    try:
        with finding.Finder(wish(cleaned)):
            return cleaned
    except finding.BadPattern as error:
        raise ValidationError(str(error)) from error


def _mask(_: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"pieces": _one_of(given.get("pieces") or "all", PIECES, "pieces")}


def _copy(dataset: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    target = dataset.project.datasets.filter(pk=_id(given.get("dataset"))).first()
    if target is None:
        raise ValidationError("Choose a dataset of this project to copy into.")
    if target.pk == dataset.pk:
        raise ValidationError("They are in this dataset already: choose another one to copy into.")
    if target.kind != dataset.kind:
        raise ValidationError(f"{target.name} holds {target.kind}: choose a dataset of {dataset.kind}.")
    return {
        "dataset": target.pk,
        "status": _one_of(given.get("status") or "new", (KEEP, *Record.Status.values), "status"),
    }


def _assign(dataset: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    names = given.get("users")
    if not isinstance(names, list | tuple) or not names or len(names) > 200:
        raise ValidationError("Choose at least one person, by their usernames.")
    names = list(dict.fromkeys(str(name) for name in names))
    members = Membership.objects.filter(team=dataset.project.team, user__username__in=names).exclude(role=Role.VIEWER)
    found = dict(members.values_list("user__username", "user_id"))
    if missing := [name for name in names if name not in found]:
        raise ValidationError(f"{missing[0][:60]} is nobody of this team who may annotate.")
    return {"users": [found[name] for name in names], "evenly": _flag(given, "evenly")}


def _mend(_: Dataset, given: Mapping[str, Any]) -> dict[str, Any]:
    codes = given.get("codes") or []
    if not isinstance(codes, list | tuple) or len(codes) > 100:
        raise ValidationError("`codes` must be a list of problem codes.")
    if unknown := [code for code in codes if not isinstance(code, str) or code not in mends.MENDABLE]:
        raise ValidationError(
            f"{str(unknown[0])[:60]!r} is no problem that can be mended: use {', '.join(sorted(mends.MENDABLE))}."
        )
    return {"codes": list(codes)}


def _text(given: Mapping[str, Any], name: str, longest: int) -> str:
    value = given.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise ValidationError(f"`{name}` must be a text of at most {longest:,} characters.")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValidationError(f"`{name}` contains a character that cannot be stored.")
    return value.replace("\r\n", "\n")


def _flag(given: Mapping[str, Any], name: str) -> bool:
    return given.get(name) in (True, "1", "on", "true")


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise ValidationError(f"There is no {name} {str(value)[:40]!r}: use one of {', '.join(allowed)}.")
    return str(value)


def _id(value: Any) -> int:
    return int(value) if str(value).isdecimal() and len(str(value)) < 19 else 0


CLEANERS: dict[str, Callable[[Dataset, Mapping[str, Any]], dict[str, Any]]] = {
    Action.LABEL: _labels,
    Action.UNLABEL: _labels,
    Action.REPLACE: _replace,
    Action.MASK: _mask,
    Action.MEND: _mend,
    Action.COPY: _copy,
    Action.ASSIGN: _assign,
}
NAMES: dict[str, tuple[str, ...]] = {
    Action.LABEL: ("labels",),
    Action.UNLABEL: ("labels",),
    Action.REPLACE: ("find", "replace", "regex", "case", "words", "pieces"),
    Action.MASK: ("pieces",),
    Action.MEND: ("codes",),
    Action.COPY: ("dataset", "status"),
    Action.ASSIGN: ("users", "evenly"),
}
