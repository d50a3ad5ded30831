"""The account of an import: how its rows ended, what became of each column, and what was guessed, the same in every entrance."""

from collections.abc import Mapping as MappingType
from typing import Any

from curation.formats import Mapping, Source
from curation.formats.readers import encodings, layouts
from curation.formats.readers.sources import TEXTS
from curation.formats.turns import ALPACA
from curation.imports import drafts
from curation.imports import rows as import_rows
from curation.imports.columns import short, uses
from curation.imports.notes import notes_of
from curation.imports.reader import CheckedRows
from curation.models import Dataset, Import

NAMED = 12  # columns in one sentence
HEADERS = "no row", "row {}"
UNUSED, KEPT = "", "metadata"
COUNTS = ("good", "problems", "fixable", "refused", "fixed", "same_content", "same_id")
ENDS = {
    "good": "good", "fixable": "can be fixed automatically", "problems": "with problems", "refused": "would be rejected",
}  # fmt: skip


def of(job: Import) -> dict[str, Any]:
    """Return the account of an import so far, as JSON.

    `read` is counted while reading, the other sums while writing: `tallies` says whether they agree. Of each column
    there is its `use` (empty: not used), the number of `rows` with a value, and for one that the first rows did not have
    the `line` where it first occurs. Each guess has its option and the choices.
    """
    kept = job.source.get("account", {})
    mapping = drafts.suggested(job)[0] if job.mapping else None  # none yet of a URL that is not downloaded
    same = import_rows.unchanged(job)
    sums = {
        "created": job.ok - job.updated, "updated": job.updated, "unchanged": same, "skipped": job.skipped - same, "failed": job.failed,
    }  # fmt: skip
    read = kept.get("read", job.done)
    total = job.source.get("rows") if job.source.get("rows_exact") else None
    again = {"in_file": kept.get("again", 0), "in_dataset": kept.get("there", 0)}
    first = [{"id": key, "line": line} for key, line in kept.get("first_again", [])]
    return {
        "read": read, **sums, "tallies": read == sum(sums.values()),
        "unread": max(total - read, 0) if total is not None else None,
        "repeated_ids": again | {"first": first},
        "columns": columns(job, mapping, kept), "values_in_other_columns": kept.get("other_values", 0),
        "guesses": guesses(job),
    }  # fmt: skip


def of_check(job: Import, mapping: Mapping, found: CheckedRows) -> dict[str, Any]:
    """Return what a check found before the start, as JSON: the same counts on the page, by command and by REST."""
    counts = {name: getattr(found, name) for name in ("checked", "whole", *COUNTS)}
    total = {"rows": job.source.get("rows"), "rows_exact": bool(job.source.get("rows_exact"))}
    late = columns(job, mapping, found.account)
    return counts | total | {
        "columns": late, "values_in_other_columns": found.account["other_values"], "guesses": guesses(job),
        "notes": notes_of(job, mapping, found.notes),
    }  # fmt: skip


def columns(job: Import, mapping: Mapping | None, kept: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each column with its use and its rows, those of the first rows first."""
    counts, late = kept.get("columns", {}), kept.get("late", {})
    used = {short(name): use for name, use in uses(mapping).items()} if mapping else {}
    at_first = {short(name): None for name in job.source.get("columns", [])}
    found = []
    for name in dict.fromkeys([*at_first, *late, *counts]):
        if mapping and mapping.style == "alpaca" and name.lower() in ALPACA:
            use = "alpaca"
        else:
            use = late[name][1] if name in late else used.get(name, UNUSED if name in at_first else KEPT)
        column = {"name": name, "use": use, "rows": counts.get(name, 0)}
        if name in late:
            column |= {"line": late[name][0]} | ({"file": late[name][2]} if late[name][2] else {})
        found.append(column)
    return found


def guesses(job: Import) -> list[dict[str, Any]]:
    """Return how the file is read, whether a person chose it, and by which option it can be read otherwise."""
    if not job.source.get("format"):
        return []
    source = Source.from_json(job.source)
    chosen = set(source.chosen)
    found = [
        _guess(name, value, choices, name in chosen) for name, value, choices in _readings(source)
    ]  # fmt: skip
    if kinds := job.mapping.get("kind"):
        choices = {value: value for value in Dataset.Kind.values}
        guessed = bool(job.source.get("mapping_guessed"))
        found.append(_guess("kind", kinds, choices, not (guessed and job.source.get("any_kind"))))
        why = job.source.get("why", "") if guessed else ""
        found.append({
            "what": "mapping", "value": "", "text": why, "chosen": not guessed,
            "option": "--mapping", "choices": [],
        })  # fmt: skip
    return found


def _readings(source: Source) -> list[tuple[str, Any, dict[Any, str]]]:
    headers: dict[Any, str] = {n: HEADERS[min(n, 1)].format(n) for n in range(layouts.HEADERS + 1)}
    if source.compression == "zip":  # each file has its own, and its notes name them
        each: list[tuple[str, dict[Any, str]]] = [
            ("encoding", dict(encodings.NAMES)), ("delimiter", dict(layouts.WORDS)), ("quoting", dict(layouts.QUOTINGS)),
            ("header", headers),
        ]  # fmt: skip
        own = {"": "for each file"}
        return [(name, getattr(source, name) if name in source.chosen else "", own | known) for name, known in each]
    if source.format == "xlsx":
        sheets: list[tuple[str, Any, dict[Any, str]]] = [("sheet", source.sheet, {n: n for n in source.sheets})]
        return [*(sheets if len(source.sheets) > 1 else []), ("header", source.header, headers)]
    found: list[tuple[str, Any, dict[Any, str]]] = []
    if source.format in TEXTS and (source.encoding in encodings.GUESSED or "encoding" in source.chosen):
        found.append(("encoding", source.encoding, dict(encodings.NAMES)))
    if source.format in ("csv", "tsv"):
        found += [
            ("delimiter", source.delimiter, dict(layouts.WORDS)),
            ("quoting", source.quoting, dict(layouts.QUOTINGS)),
            ("header", source.header, headers),
        ]
    return found


def _guess(what: str, value: Any, choices: MappingType[Any, str], chosen: bool) -> dict[str, Any]:
    return {
        "what": what, "value": value, "text": choices.get(value, str(value)), "chosen": chosen,
        "option": f"--{what}", "choices": list(choices),
    }  # fmt: skip


# --- in words --------------------------------------------------------------------------------------


def sentences(account: dict[str, Any], labels: MappingType[str, str]) -> list[str]:
    """Return the account in a few lines of text; `labels` are the words for the uses of columns."""
    names = ("created", "updated", "unchanged", "failed", "skipped")
    shown = [f"{account[name]:,} {name}" for name in names if account[name] or name in ("created", "failed", "skipped")]
    lines = [f"Rows read: {account['read']:,} = {' + '.join(shown)}."]
    if not account["tallies"]:
        lines.append("The counts do not add up. This is a bug in Atelier. Please report it.")
    if account["unread"]:
        lines.append(f"Not read: {account['unread']:,} row{'' if account['unread'] == 1 else 's'}.")
    lines += repeated(account["repeated_ids"])
    used = [column for column in account["columns"] if column["use"] not in (UNUSED, KEPT)]
    words = {column["name"]: labels.get(column["use"], column["use"]).lower() for column in used}
    lines += _listed(
        "Columns used", [f"{column['name']} ({words[column['name']]}, {_rows(column)})" for column in used]
    )
    for title, use in (("Kept as metadata", KEPT), ("Not used", UNUSED)):
        some = [f"{column['name']} ({_rows(column)})" for column in account["columns"] if column["use"] == use]
        lines += _listed(title, some)
    if others := account["values_in_other_columns"]:
        values = "value is" if others == 1 else "values are"
        lines.append(f"{others:,} {values} in further columns, which were kept as metadata.")
    guessed = [guess for guess in account["guesses"] if not guess["chosen"]]
    return lines + _listed("Guessed", [f"{_guessed(guess)} (change: {guess['option']})" for guess in guessed])


def checked(found: dict[str, Any], labels: MappingType[str, str]) -> list[str]:
    """Return the counts of a check as sentences; `found` as `of_check` has them, `labels` as for `sentences`."""
    done, total = found["checked"], found["rows"]
    counts = ", ".join(f"{found[name]:,} {words}" for name, words in ENDS.items() if found[name] or name == "good")
    rows = f"{done:,} row{'' if done == 1 else 's'}"
    if not found["whole"]:
        about = "" if found["rows_exact"] else "about "
        rows = f"The first {done:,} of {about}{total:,} rows" if total and total > done else f"The first {rows}"
    lines = [f"{rows} checked: {counts}."]
    if count := found["fixed"]:
        lines.append(f"{count:,} row{'s are' if count > 1 else ' is'} fixed automatically.")
    if count := found["same_content"]:
        lines.append(f"{count:,} row{'s have' if count > 1 else ' has'} the content of an earlier row.")
    if count := found["same_id"]:
        lines.append(f"{count:,} row{'s have' if count > 1 else ' has'} the ID of an earlier row.")
    late = [column for column in found["columns"] if "line" in column]
    named = [f"“{column['name']}” ({_use(column, labels)}, {_rows(column)})" for column in late]
    return lines + _listed("Columns with a use in some rows only", named)


def repeated(found: dict[str, Any]) -> list[str]:
    """Return sentences about rows whose ID came before; none if there are none."""
    lines = []
    if count := found["in_file"]:
        first = ", ".join(f"“{one['id']}” in line {one['line']:,}" for one in found["first"])
        lines.append(
            f"Repeated IDs: {count:,} row{'s have' if count > 1 else ' has'} the ID of an earlier row ({first})."
        )
    if count := found["in_dataset"]:
        text = "have the ID of a record" if count > 1 else "has the ID of a record"
        lines.append(f"{count:,} row{'s' if count > 1 else ''} {text} that was there before.")
    return lines


def _guessed(guess: dict[str, Any]) -> str:
    return f"{guess['what']} {guess['text']}".strip() if guess["what"] != "mapping" else "mapping by names and contents"


def _use(column: dict[str, Any], labels: MappingType[str, str]) -> str:
    label = labels.get(column["use"], column["use"])
    return label if label.isupper() else label[:1].lower() + label[1:]


def _rows(column: dict[str, Any]) -> str:
    text = f"{column['rows']:,} row{'' if column['rows'] == 1 else 's'}"
    return f"{text}, first in line {column['line']:,}" if "line" in column else text


def _listed(title: str, items: list[str]) -> list[str]:
    more = f", and {len(items) - NAMED:,} more" if len(items) > NAMED else ""
    return [f"{title}: {', '.join(items[:NAMED])}{more}."] if items else []
