"""The data card of a version: contents, provenance, who created and checked it, in Markdown.

It is written once, when the version is frozen. What people wrote is in it as text: escaped, on one line.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Count

from atelier.accounts.models import User
from curation.models import Annotation, Dataset, Distillation, Import, Version
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import leaks

SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&])")
LISTED = 20
FILE = "README.md"
KINDS = {
    Dataset.Kind.CONVERSATIONS: "Conversations: each row is a list of messages under `messages`.",
    Dataset.Kind.PREFERENCES: "Preferences: each row has a `prompt`, a `chosen` and a `rejected` answer.",
}


def plain(text: Any) -> str:
    """Return text of people as Markdown that shows just that text, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))[:600]


def write(version: Version) -> str:
    """Write the card, from the version's current fields and figures."""
    parts = [
        f"# {plain(version)}",
        plain(version.dataset.description),
        _what(version),
        _origin(version),
        _people(version),
        _checks(version),
        _agreement(version),
        _splits(version),
        _tally(version, "Languages", "languages", "not determined"),
        _tally(version, "Labels", "labels", "without a label"),
        _lengths(version),
        _loading(version),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def file(version: Version) -> str:
    """Return the card as a file beside the rows: a head for catalogues, then the card and the current notes."""
    licence = version.dataset.licence.strip()
    languages = [code for code in version.figures.get("languages", {}) if re.fullmatch(r"[a-z]{2,3}", code)]
    head = {
        "pretty_name": str(version),
        **({"license": licence} if licence else {}),
        **({"language": languages} if languages else {}),
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"{split}.jsonl"} for split in SPLITS if version.counts()[split]
                ],
            }
        ],
    }
    # JSON is YAML, so what people wrote needs no other quoting.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]
    notes = f"\n## Notes\n\n{plain(version.notes)}\n" if version.notes else ""
    return "---\n" + "\n".join(lines) + "\n---\n\n" + version.card + _erased(version) + notes


def _erased(version: Version) -> str:
    """Describe the rows that were erased since it was frozen: the card itself counts what was there then."""
    if not version.erased:
        return ""
    rows = []
    for file in version.erased_files.select_related("erasure").order_by("pk"):
        hashes = f"`{file.sha256_before}` before, `{file.sha256_after}` after"
        when = f"{file.at:%-d %B %Y} by {plain(file.erasure.actor)}: {plain(file.erasure.reason)}"
        rows.append(f"{_so_many(len(file.rows), 'row')} of {file.split}, on {when}. SHA-256 of the file: {hashes}.")
    was = "was" if version.erased == 1 else "were"
    return f"""
## Erased rows

{_so_many(version.erased, "row")} {was} erased after this version was frozen, so the numbers above are {version.erased:,} too high.
In the files, a line with nothing but `erased` and `id` is in the place of each. The content hash is now `{version.content_hash}`.

{chr(10).join(f"- {row}" for row in rows)}

Leave them out after loading:

    data = data.filter(lambda row: not row["erased"])
"""


def _so_many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _list(rows: list[str]) -> str:
    more = [f"- and {len(rows) - LISTED:,} more"] if len(rows) > LISTED else []
    return "\n".join([*(f"- {row}" for row in rows[:LISTED]), *more])


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" if n == 0 else "---:" for n in range(len(head))), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _what(version: Version) -> str:
    licence = plain(version.dataset.licence) or "not stated; ask before you share the data"
    return "## Description\n\n" + _list(
        [
            f"{_so_many(version.rows, 'row')}, {_so_many(version.words, 'word')}. {KINDS.get(version.dataset.kind, '')}",
            f"Included records: {plain(selection.words(version.filters))}.",
            f"Licence: {licence}.",
            f"Content hash: `{version.content_hash}`",
        ]
    )


def _origin(version: Version) -> str:
    figures = version.figures
    imports = Import.objects.in_bulk([int(pk) for pk in figures.get("imports", {})][:LISTED])
    rows = [
        f"{_so_many(count, 'row')} imported from {plain(imports[int(pk)].original_name)}"
        for pk, count in figures.get("imports", {}).items()
        if int(pk) in imports
    ]
    distillations = Distillation.objects.in_bulk([int(pk) for pk in figures.get("distillations", {})])
    rows += [
        f"{_so_many(count, 'answer')} written by the teacher model {plain(distillations[int(pk)].teacher_name)} ({plain(distillations[int(pk)].name)})"
        for pk, count in figures.get("distillations", {}).items()
        if int(pk) in distillations
    ]
    if not rows:
        rows = [
            f"{_so_many(count, 'row')}: {plain(name) or 'written here'}"
            for name, count in figures.get("sources", {}).items()
        ]
    return "## Source\n\n" + _list(rows)


def _people(version: Version) -> str:
    """Return who froze, reviewed and annotated the version, by name."""
    reviewers = version.figures.get("reviewers", {})
    ids = [int(name.removeprefix("user ")) for name in reviewers if name.startswith("user ")]
    users = {f"user {pk}": name for pk, name in User.objects.filter(pk__in=ids).values_list("pk", "username")}
    rows = [f"{_so_many(count, 'row')} reviewed by {plain(users.get(name, name))}" for name, count in reviewers.items()]
    rows += [f"{_so_many(count, 'annotation')} by {plain(author)}" for author, count in _annotators(version)]
    if version.created_by:
        rows.insert(0, f"Frozen by {plain(version.created_by)} on {version.created_at:%d %B %Y}")
    return "## Contributors\n\n" + _list(rows) if rows else ""


def _checks(version: Version) -> str:
    figures = version.figures
    rows = [f"{problem['count']:,} × {plain(problem['message'])}" for problem in version.problems]
    rows = rows or ["Every row passed the format checks."]
    if figures.get("leaks"):
        are = "is" if figures["leaks"] == 1 else "are"
        rows.append(f"{leaks.so_many(version)} of near-duplicates {are} in different splits, which was allowed.")
    elif figures.get("looked_for_duplicates"):
        rows.append("No near-duplicates are in different splits.")
    else:
        rows.append("Near-duplicates were not checked before freezing.")
    return "## Checks\n\n" + _list([*rows, *_annotated(version)])


def _annotated(version: Version) -> Iterator[str]:
    """Describe how many answers people gave to the version's records."""
    answers = Annotation.objects.filter(record__version_entries__version=version, state=Annotation.State.SUBMITTED)
    count = answers.aggregate(
        answers=Count("pk"), records=Count("record", distinct=True), people=Count("user", distinct=True)
    )
    if count["answers"]:
        people = "1 person" if count["people"] == 1 else f"{count['people']:,} people"
        yield f"{count['answers']:,} annotations by {people} on {count['records']:,} of its records."


def _annotators(version: Version) -> list[tuple[str, int]]:
    """Return who gave answers to its records, and how many; those with the most first."""
    answers = Annotation.objects.filter(record__version_entries__version=version, state=Annotation.State.SUBMITTED)
    counted = answers.order_by().values_list("author").annotate(count=Count("pk"))
    return list(counted.order_by("-count", "author")[: LISTED + 1])


def _agreement(version: Version) -> str:
    """Describe how far those who answered the same records agree, question by question; the least agreed first."""
    agreement = version.figures.get("agreement")
    if not agreement:
        return ""
    rows = [
        (plain(question["title"]), question["label"], _share(question["value"]), question["reading"] or "-", _percent(question["same"]), f"{question['records']:,}")
        for question in agreement["questions"]
    ]  # fmt: skip
    whole = "The first " if agreement["is_part"] else ""
    return (
        f"## Agreement\n\n{whole}{agreement['answers']:,} answers to {agreement['records']:,} of its records that several people answered.\n\n"
        + _table(("Question", "Measure", "Value", "Reading", "Same answer", "Records"), rows)
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}%"


def _splits(version: Version) -> str:
    rows = []
    for split in SPLITS:
        tokens = version.tokens.get(split, {"prompt": 0, "answer": 0, "longest": 0})
        numbers = (version.counts()[split], tokens["prompt"], tokens["answer"], tokens["longest"])
        rows.append((split, *(f"{number:,}" for number in numbers)))
    counted = next((row["tokenizer"] for row in version.tokens.values()), "")
    how = "estimated from the words" if counted == "estimate" else f"counted with the tokenizer of {plain(counted)}"
    head = ("Split", "Rows", "Prompt tokens", "Answer tokens", "Longest")
    return f"## Splits\n\n{_table(head, rows)}\n\nTokens are {how}. All rows of one source are in the same split (seed {version.seed})."


def _tally(version: Version, title: str, name: str, empty: str) -> str:
    found = version.figures.get(name, {})
    if not any(found):
        return ""
    rows = [(plain(value) or empty, f"{count:,}") for value, count in found.items()]
    return f"## {title}\n\n" + _table((title[:-1], "Rows"), rows[:LISTED])


def _lengths(version: Version) -> str:
    found = sorted((int(most), count) for most, count in version.figures.get("lengths", {}).items())
    rows = [(f"up to {most:,}", f"{count:,}") for most, count in found]
    return "## Lengths\n\n" + _table(("Words", "Rows"), rows) if rows else ""


def _loading(version: Version) -> str:
    return f"""## Loading

From the files beside this card, with the `datasets` library:

    from datasets import load_dataset

    data = load_dataset("json", data_files={{{", ".join(f'"{s}": "{s}.jsonl"' for s in SPLITS if version.counts()[s])}}})

From the Atelier installation that froze it, with its client, which verifies the hashes:

    from atelier_client import Client

    data = Client(url, key).load_dataset({version.pk})"""
