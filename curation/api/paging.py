"""What REST calls about a dataset share: their URL, and lists by page."""

from collections.abc import Callable
from typing import Any

from ninja import Query

DATASET = "/projects/{project_id}/datasets/{dataset_id}"
After = Query(0, ge=0, lt=2**63)
Size = Query(50, ge=1, le=500)


def paged(rows: list[Any], limit: int, out: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a page of `limit` rows, given one more than that if there is one, and after which row the next begins."""
    shown = rows[:limit]
    return {"items": [out(row) for row in shown], "next": shown[-1].pk if len(rows) > limit else None}
