"""What people ask of a very large dataset, kind by kind: the page's query, for the records that `crowd` writes."""

from datetime import timedelta
from typing import Any

MIDDLING = "early"  # in one crowd record of thirty
COMMON = "time"  # in one of three
EVERYWHERE = "the"  # in four of five
SPARSE = "topic262"  # in one of five hundred


def places(dataset: Any) -> dict[str, dict[str, Any]]:
    """Return the query of each kind."""
    from django.utils import timezone

    total = dataset.records.count()
    middle = dataset.records.order_by("pk")[total // 2]
    day = (timezone.now() - timedelta(days=30)).date().isoformat()
    return {
        "first page": {},
        "deep page, by id": {"after": f"{middle.pk}~{middle.pk}"},
        "deep page, longest first": {"sort": "longest", "after": f"{middle.words}~{middle.pk}"},
        "deep page, changed last": {"sort": "changed", "after": f"{middle.changed_at.isoformat()}~{middle.pk}"},
        **{f"sorted, {sort}": {"sort": sort} for sort in ("oldest", "changed", "longest", "shortest")},
        "status:accepted": {"status": "accepted"},
        "status:accepted, longest first": {"status": "accepted", "sort": "longest"},
        "split:test status:accepted": {"split": "test", "status": "accepted"},
        "problems=some": {"problems": "some"},
        "problems=none": {"problems": "none"},
        "label:clear": {"q": "label:clear"},
        "label:none": {"q": "label:none"},
        "label:clear label:short": {"q": "label:clear label:short"},
        "label:clear -label:short, longest first": {"q": "label:clear -label:short", "sort": "longest"},
        "problem:secret": {"q": "problem:secret"},
        "has:problem": {"q": "has:problem"},
        "has:problem, longest first": {"q": "has:problem", "sort": "longest"},
        "has:label": {"q": "has:label"},
        "has:comment": {"q": "has:comment"},
        "has:annotation": {"q": "has:annotation"},
        "language:nl (one of a thousand)": {"q": "language:nl"},
        "language:fr": {"q": "language:fr"},
        "language:nl status:new split:test": {"q": "language:nl status:new split:test"},
        "by:member": {"q": "by:member"},
        "by:nobody": {"q": "by:nobody"},
        "assigned:nobody": {"q": "assigned:nobody"},
        "source:none (of no record)": {"q": "source:none"},
        "source:crowd": {"q": "source:crowd"},
        "tokens:>80": {"q": "tokens:>80"},
        "words:20..21": {"q": "words:20..21"},
        "changed:>30 days ago": {"q": f"changed:>{day}"},
        "created:>30 days ago": {"q": f"created:>{day}"},
        "topic:topic262 (a column)": {"q": f"topic:{SPARSE}"},
        "place:3 (a column, no text)": {"q": "place:3"},
        "rare word": {"q": "nl403"},
        "sparse word": {"q": SPARSE},
        "sparse word, longest first": {"q": SPARSE, "sort": "longest"},
        "middling word": {"q": MIDDLING},
        "middling word, longest first": {"q": MIDDLING, "sort": "longest"},
        "middling word, oldest first": {"q": MIDDLING, "sort": "oldest"},
        "common word": {"q": COMMON},
        "common word, longest first": {"q": COMMON, "sort": "longest"},
        "common word, deep page": {"q": COMMON, "after": f"{middle.pk}~{middle.pk}"},
        "word nearly everywhere": {"q": EVERYWHERE},
        "two common words": {"q": f"{COMMON} family"},
        "middling and common word": {"q": f"{MIDDLING} {COMMON}"},
        "beginning of a word": {"q": "ti"},
        "single letter": {"q": "t"},
        "phrase": {"q": '"some work"'},
        "phrase, frequent": {"q": '"of the"'},
        "phrase that is nowhere": {"q": '"the the the of of"'},
        "negated middling word": {"q": f"-{MIDDLING}"},
        "negated common word": {"q": f"-{COMMON}"},
        "negated word nearly everywhere": {"q": f"-{EVERYWHERE}"},
        "middling word without another": {"q": f"{MIDDLING} -{COMMON}"},
        "negated phrase": {"q": '-"of the"'},
        "common word status:accepted": {"q": f"{COMMON} status:accepted"},
        "common word, sparse language": {"q": f"{COMMON} language:nl"},
        "middling word label:clear split:test": {"q": f"{MIDDLING} label:clear split:test"},
        "common word has:problem": {"q": f"{COMMON} has:problem"},
    }
