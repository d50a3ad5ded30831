"""The form of a mapping, one choice for each column, as the preview page shows it."""

from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence

from django.core.exceptions import ValidationError

from curation.formats import Mapping
from curation.formats.column_names import in_usual_order
from curation.formats.mapping import MappingError
from curation.formats.turns import ALPACA

CHOICES = {
    "messages": "Conversation",
    "prompt": "Prompt",
    "role:system": "System message",
    "role:history": "Earlier turns",
    "role:user": "User message",
    "role:assistant": "Assistant message",
    "alpaca": "Part of the Alpaca style",
    "images": "Pictures",
    "chosen": "Chosen answer",
    "rejected": "Rejected answer",
    "pair": "Chosen and rejected answer",
    "tools": "Tools",
    "fields": "Source field",
    "metadata": "Metadata",
    "group": "Group (stays in one split)",
    "key": "ID",
    "labels": "Labels",
    "": "Ignore",
}
ONE = ("messages", "prompt", "chosen", "rejected", "images", "tools", "group", "key", "labels")
# Uses as the text of a message, around which a template may stand.
SPOKEN = ("role:system", "role:user", "role:assistant", "alpaca", "prompt", "chosen", "rejected")
FOR_KIND = {
    "documents": {"fields", "metadata", "group", "key", "labels", ""},
    "conversations": set(CHOICES) - {"prompt", "chosen", "rejected", "pair"},
    "preferences": set(CHOICES) - {"messages", "alpaca", "role:assistant"},
}


def of(mapping: Mapping, columns: Sequence[str]) -> dict[str, str]:
    """Return the choice for each column."""
    choices = dict.fromkeys(columns, "")
    choices |= dict.fromkeys(mapping.metadata, "metadata") | dict.fromkeys(mapping.fields, "fields")
    choices |= {column: name for name in ONE if (column := getattr(mapping, name))}
    choices |= {mapping.system: "role:system"} | {column: f"role:{role}" for column, role in mapping.roles.items()}
    if mapping.style == "alpaca":
        choices |= dict.fromkeys(ALPACA, "alpaca")
    if mapping.kind == "preferences" and mapping.messages:
        choices[mapping.messages] = "prompt"
    if mapping.kind == "preferences" and mapping.chosen and mapping.chosen == mapping.rejected:
        choices[mapping.chosen] = "pair"
    allowed = FOR_KIND[mapping.kind]
    return {name: choices[name] if choices[name] in allowed else "metadata" for name in columns}


def read(
    kind: str,
    choices: AbstractMapping[str, str],
    fix: bool = False,
    system_text: str = "",
    templates: AbstractMapping[str, str] | None = None,
) -> Mapping:
    """Return the mapping of these choices; columns of one role are joined. Raises ValidationError.

    `templates` are of columns; those of a column that is no text of a message, or whose text is the column alone, are
    left out.
    """
    _check(kind, choices)
    by_use: dict[str, list[str]] = {}
    for column, choice in choices.items():
        by_use.setdefault(choice, []).append(column)
    mapping = Mapping(
        kind=kind, fields=by_use.get("fields", []), metadata=by_use.get("metadata", []), style=_style(kind, by_use),
        fix=fix and kind == "conversations",
    )  # fmt: skip
    for name in ONE:
        setattr(mapping, name, by_use.get(name, [""])[0])
    if "pair" in by_use:
        mapping.chosen = mapping.rejected = by_use["pair"][0]
    if kind != "documents":
        mapping.system_text = system_text.strip()
        mapping.templates = {
            column: text
            for column, text in (templates or {}).items()
            if choices.get(column) in SPOKEN and text.strip() not in ("", f"{{{column}}}")
        }
    if mapping.style in ("columns", "preference"):
        roles = {column: use.removeprefix("role:") for column, use in choices.items() if use.startswith("role:")}
        mapping.roles = in_usual_order(roles)
    if mapping.style != "columns" and by_use.get("role:system"):
        mapping.roles.pop(by_use["role:system"][0], None)
        mapping.system = by_use["role:system"][0]
    try:
        mapping.validate()
        mapping.check_templates(list(choices))
    except MappingError as error:
        raise ValidationError(str(error)) from error
    return mapping


def _style(kind: str, by_use: AbstractMapping[str, list[str]]) -> str:
    if kind == "preferences":
        return "preference"
    return "chat" if "messages" in by_use else "alpaca" if "alpaca" in by_use else "columns"


def _check(kind: str, choices: AbstractMapping[str, str]) -> None:
    if kind not in FOR_KIND:
        raise ValidationError(f"No kind is called {kind[:40]!r}. Choose one of {', '.join(FOR_KIND)}.")
    for column, chosen in choices.items():
        if chosen not in CHOICES:
            raise ValidationError(f"No use is called {chosen[:40]!r} for the column {column}.")
        if chosen not in FOR_KIND[kind]:
            raise ValidationError(
                f"“{column}”: “{CHOICES[chosen]}” does not apply to {kind}. Choose another use, or another kind."
            )
    for choice in ONE:
        columns = [column for column, chosen in choices.items() if chosen == choice]
        if len(columns) > 1:
            raise ValidationError(
                f"Only one column can be “{CHOICES[choice]}”, and you chose {' and '.join(columns[:3])}."
            )
    used = set(choices.values())
    if "prompt" in used and used & {"role:user", "role:history"}:
        raise ValidationError(
            "One column holds the prompt, so no other can be a part of it. Ignore the others, or import them as metadata."
        )
    if ("pair" in used and used & {"chosen", "rejected"}) or list(choices.values()).count("pair") > 1:
        raise ValidationError("One column holds both answers, so no other can hold one.")
    if "messages" in used and used & {"role:user", "role:assistant", "role:history", "alpaca"}:
        raise ValidationError(
            "One column holds the whole conversation, so no other can hold a turn of it. Ignore the others, or import them as metadata."
        )
