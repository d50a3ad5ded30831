"""The table of a dataset as its template shows it: rows, facets and heads as finished text, for a page has thousands."""

from functools import cache
from typing import Any
from urllib.parse import quote_plus

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from curation.models import Dataset, Record
from curation.search import facets
from curation.search.filters import Filters, toggled

PREVIEW = 180  # characters of a record's text in the table


Row = dict[str, Any]  # a template finds the names of a dictionary sooner than those of an object


def rows(dataset: Dataset, records: list[Record], query: str) -> list[Row]:
    """Return the records as rows with the URLs of their pages, which keep the query.

    A row has: pk, url, text, pill, split, problem_count, problem (the first one's sentence), words, at (when it
    changed, for machines) and changed. Atelier's own texts are marked as safe.
    """
    begin = reverse("curation:record", args=[dataset.project_id, dataset.pk, 0]).removesuffix("0")
    end = escape(f"?{query}" if query else "")
    return [_row(record, SafeString(f"{begin}{record.pk}{end}")) for record in records]


def _row(record: Record, url: SafeString) -> Row:
    changed = localtime(record.changed_at)
    problems = record.problems if record.problem_count else []
    return {
        "pk": SafeString(record.pk),
        "url": url,
        "text": _short(record.preview) or "(no text)",
        "pill": pill("deleted" if record.deleted_at else record.status),
        "split": record.split,
        "problem_count": SafeString(record.problem_count or ""),
        "problem": str(problems[0].get("message", "")) if problems else "",
        "words": SafeString(f"{record.words:,}"),
        "at": SafeString(changed.isoformat()),
        "changed": SafeString(f"{changed.day} {changed:%b %Y, %H:%M}"),
    }


def _short(text: str) -> str:
    return text if len(text) <= PREVIEW else text[: PREVIEW - 1] + "…"


@cache
def pill(status: str) -> SafeString:
    """Return the pill of a status; there are few, so each is rendered once."""
    shown: dict[str, Any] = {"status": status, "label": dict(Record.Status.choices).get(status, "Deleted")}
    if status == "deleted":
        shown["tone"] = "bad"
    return render_to_string("partials/pill.html", shown)


def shown_facets(path: str, chosen: Filters, found: list[facets.Facet]) -> list[dict[str, Any]]:
    """Return each facet value with the URL that adds its condition to the search, or removes it."""
    others = {name: value for name, value in chosen.as_dict().items() if name != "q"}
    there, rest = f" {chosen.q} ", urlencode(others, doseq=True)

    def address(term: str) -> str:
        q = quote_plus(toggled(chosen.q, term))
        return escape(f"{path}?" + "&".join(part for part in (f"q={q}" if q else "", rest) if part))

    return [
        {
            "title": facet.title,
            "values": [
                {
                    "text": value.text,
                    "count": value.count,
                    "number": SafeString(f"{value.count:,}"),
                    "on": f" {value.term} " in there,
                    "url": address(value.term),
                }
                for value in facet.values
            ],
        }
        for facet in found
    ]


def heads(path: str, chosen: Filters) -> dict[str, dict[str, str]]:
    """Return the table's sortable heads: their URL, and how they are sorted now."""
    others = {name: value for name, value in chosen.as_dict().items() if name != "sort"}

    def head(down: str, up: str, default: str) -> dict[str, str]:
        wanted = up if chosen.sort == down else down if chosen.sort == up else default
        now = {down: "descending", up: "ascending"}.get(chosen.sort, "")
        return {"url": f"{path}?{urlencode({**others, 'sort': wanted}, doseq=True)}", "now": now}

    return {
        "id": head("newest", "oldest", "newest"),
        "words": head("longest", "shortest", "longest"),
        "changed": head("changed", "changed", "changed"),
    }
