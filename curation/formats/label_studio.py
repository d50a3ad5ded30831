"""Exports of Label Studio, JSON and JSON-MIN: their tasks as rows, and what people and models answered about each.

A control (`from_name`) becomes a question; which kind and which labels says the survey over all tasks, with the labelling
configuration where there is one. The result types are those of Label Studio 1.23.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from curation.formats.moves import Asked, Given, Moved, Proposed, score_of, whole
from curation.formats.rows import Row, bad_row
from curation.formats.span_places import place

NAME = "Label Studio"
KEY, META = "label_studio_id", "label_studio_meta"
TASK = {"id", "data", "annotations"}
MINIMAL = {"id", "annotator", "annotation_id", "created_at", "lead_time"}
SPANS = ("labels", "hypertextlabels")
# How JSON-MIN writes an answer: its one key tells the type.
BY_KEY = {
    "choices": "choices", "text": "textarea", "taxonomy": "taxonomy", "rating": "rating", "number": "number",
    "selected": "pairwise", "ranker": "ranker", "datetime": "datetime",
}  # fmt: skip
Result = dict[str, Any]


def is_task(data: dict[str, Any]) -> bool:
    return data.keys() >= TASK and isinstance(data["data"], dict) and isinstance(data["annotations"], list)


def is_minimal(data: dict[str, Any]) -> bool:
    return data.keys() >= MINIMAL


def rows(source: Iterator[Row]) -> Iterator[Row]:
    """Each task as a row of its data's columns, with the whole task beside it."""
    for row in source:
        if row.data is None:
            yield row
        elif is_task(row.data):
            yield row._replace(data=columns(row.data), task=row.data)
        else:
            yield bad_row(
                row.line, "not-a-task", "This is no task of Label Studio: it has no `data` and `annotations`."
            )


def minimal_rows(source: Iterator[Row]) -> Iterator[Row]:
    """Of JSON-MIN, which has a row for each annotation: those of one task together, under the first one's line."""
    for key, group in groupby(source, lambda row: row.data.get("id") if row.data else None):
        found = list(group)
        if key is None:
            yield from found
            continue
        task = _task_of([row.data for row in found if row.data])
        yield found[0]._replace(data=columns(task), task=task)


def columns(task: dict[str, Any]) -> dict[str, Any]:
    meta = {META: task["meta"]} if task.get("meta") else {}
    return task["data"] | meta | {KEY: str(task["id"])}


def _task_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The task that JSON-MIN's rows tell of: data comes before the id, answers between it and the annotator."""
    names = list(found[0])
    data = {name: found[0][name] for name in names[: names.index("id")]}
    return {
        "id": found[0]["id"],
        "data": data,
        "annotations": [
            {"completed_by": row["annotator"], "result": list(_results(row)), "lead_time": row["lead_time"]}
            | {name: row[name] for name in ("created_at", "updated_at") if name in row}
            for row in found
        ],
    }


def _results(row: dict[str, Any]) -> Iterator[Result]:
    names = list(row)
    for name in names[names.index("id") + 1 : names.index("annotator")]:
        for value in row[name] if isinstance(row[name], list) else [row[name]]:
            yield _result(name, value)


def _result(name: str, value: Any) -> Result:
    if not isinstance(value, dict):
        return {"from_name": name, "type": "plain", "value": {"plain": value}}
    kinds = [key for key in value if key.endswith("labels")]
    kind = kinds[0] if kinds else next((BY_KEY[key] for key in value if key in BY_KEY), "unknown")
    return {"from_name": name, "type": kind, "value": value}


# --- what a task says ------------------------------------------------------------------------------


def translate(task: dict[str, Any], asked: dict[str, Asked]) -> Moved:
    """The answers of people and models about a task, to the questions that the survey found."""
    moved = Moved()
    for one in task["annotations"]:
        moved.given.append(_given(one, author(one.get("completed_by")), task, asked, moved))
    for one in task.get("drafts") or []:
        _draft(one, task, asked, moved)
    for one in task.get("predictions") or []:
        _prediction(one, task, asked, moved)
    if task.get("comment_count"):
        moved.leave("comments", f"{task['comment_count']} comments on the task: the export holds their number only.")
    return moved


def author(by: Any) -> str:
    """As the export names a person: the e-mail, the name, or the number alone, which is all that many exports have."""
    if isinstance(by, dict):
        name = " ".join(str(by.get(part) or "") for part in ("first_name", "last_name")).strip()
        return str(by.get("email") or name or by.get("username") or f"user {by.get('id')}")
    return f"user {by}" if isinstance(by, int) else str(by or "unknown")


def results(one: dict[str, Any]) -> list[Result]:
    found = one.get("result")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def people(task: dict[str, Any]) -> Iterator[str]:
    yield from (author(one.get("completed_by")) for one in task["annotations"])
    yield from (author(one.get("user")) for one in task.get("drafts") or [] if isinstance(one, dict))


def _given(one: dict[str, Any], who: str, task: dict[str, Any], asked: dict[str, Asked], moved: Moved) -> Given:
    state = "skipped" if one.get("was_cancelled") else "submitted"
    seconds = one.get("lead_time")
    return Given(
        who, state, answers(results(one), task, asked, moved), str(one.get("created_at") or ""),
        str(one.get("updated_at") or one.get("created_at") or ""),
        float(seconds) if isinstance(seconds, int | float) else 0, bool(one.get("ground_truth")),
    )  # fmt: skip


def _draft(one: Any, task: dict[str, Any], asked: dict[str, Asked], moved: Moved) -> None:
    if not isinstance(one, dict):
        moved.leave("drafts", "A draft of which the export has the number only.", one)
    elif one.get("annotation"):
        moved.leave("drafts", "Changes to an annotation that were never saved there.", one)
    else:
        given = _given(one, author(one.get("user")), task, asked, moved)
        given.state = "draft"
        moved.given.append(given)


def _prediction(one: Any, task: dict[str, Any], asked: dict[str, Asked], moved: Moved) -> None:
    if not isinstance(one, dict):
        text = "A prediction of which the export has the number only: take it from a snapshot that holds predictions."
        moved.leave("predictions", text, one)
        return
    score = score_of(one.get("score"))
    if score is None and one.get("score") is not None:
        moved.leave("scores", f"A score of {one['score']} is not from 0 to 1: the suggestion comes without it.")
    found = answers(results(one), task, asked, moved)
    moved.proposed.append(Proposed(str(one.get("model_version") or NAME), found, dict.fromkeys(found, score)))


def answers(found: list[Result], task: dict[str, Any], asked: dict[str, Asked], moved: Moved) -> dict[str, Any]:
    """Answers by control; what cannot be one is left, with its reason."""
    regions = {one["id"] for one in found if "start" in _value(one) and one.get("id")}
    by_control: dict[str, list[Result]] = {}
    for one in found:
        question = asked.get(str(one.get("from_name")))
        kind = str(one.get("type"))
        if kind == "relation":
            moved.leave("relations", "A relation between two spans.", one)
        elif question is None or not question.kind:
            moved.leave(kind, question.note if question else f"An answer of the type {kind} has no question here.", one)
        elif kind not in SPANS and (one.get("id") in regions or "start" in _value(one)):
            moved.leave("per-region", "An answer about a single span: questions here are about the whole record.", one)
        else:
            by_control.setdefault(question.source, []).append(one)
    kept = {name: _READ[asked[name].kind](asked[name], given, task, moved) for name, given in by_control.items()}
    return {name: value for name, value in kept.items() if value is not None}


def _value(one: Result) -> dict[str, Any]:
    value = one.get("value")
    return value if isinstance(value, dict) else {}


def words(one: Result) -> list[str]:
    """What was chosen or written in one result."""
    value = _value(one)
    if "taxonomy" in value:
        return [" / ".join(map(str, path)) if isinstance(path, list) else str(path) for path in value["taxonomy"] or []]
    found: Any = next(
        (value[name] for name in ("choices", "text", "datetime", "number", "rating", "plain") if name in value), []
    )
    return [str(item).strip() for item in (found if isinstance(found, list) else [found]) if item is not None]


def _label(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> str | None:
    given = _labels(question, found, task, moved)
    for more in given[1:]:
        moved.leave("second-label", f"{question.title}: a second label where one is asked.", more)
    return given[0] if given else None


def _labels(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> list[str]:
    return [word for one in found for word in words(one)]


def _rating(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> int | None:
    value = _value(found[0])
    number = next((value[name] for name in ("rating", "number", "plain") if name in value), None)
    rated = whole(number)
    if rated is None:
        moved.leave("number", f"{question.title}: {str(number)[:40]} is not a whole number.", found[0])
    return rated


def _text(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> str:
    return "\n".join(word for one in found for word in words(one))


def _ranking(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> list[str] | None:
    order = ranked(found[0], question.pieces)
    if order is None:
        moved.leave("ranking", f"{question.title}: not every answer has a place of its own.", found[0])
    return order


def ranked(one: Result, pieces: list[str]) -> list[str] | None:
    """The pieces, the best first; None for what is no such order."""
    value = _value(one)
    if "selected" in value and len(pieces) == 2:
        sides = {"left": pieces, "right": pieces[::-1]}
        return sides.get(value["selected"])
    order = bucket(one)
    return order if order is not None and sorted(order) == sorted(pieces) else None


def bucket(one: Result) -> list[str] | None:
    """The one list of a Ranker. One with several buckets sorts into groups, which is no order."""
    found = _value(one).get("ranker")
    if isinstance(found, dict):
        filled = [items for items in found.values() if items]
        found = filled[0] if len(filled) == 1 else None
    return [str(item) for item in found] if isinstance(found, list) else None


def _spans(question: Asked, found: list[Result], task: dict[str, Any], moved: Moved) -> list[dict[str, Any]]:
    text = task["data"].get(question.columns[0]) if question.columns else None
    kept = []
    for one in found:
        placed = span_place(str(text), one) if isinstance(text, str) else None
        if placed is None:
            moved.leave("span-place", f"{question.title}: the words of this span do not stand at its place.", one)
            continue
        value = _value(one)
        labels: list[Any] = next((value[name] for name in SPANS if name in value), [])
        kept += [{"start": placed[0], "end": placed[1], "label": str(label).strip()} for label in labels]
        if not labels:
            moved.leave("span-label", f"{question.title}: a span without a label.", one)
    return kept


def span_place(text: str, one: Result) -> tuple[int, int] | None:
    value, kind = _value(one), str(one.get("type"))
    offsets = value.get("globalOffsets")
    at = offsets if isinstance(offsets, dict) else value
    start, end = at.get("start"), at.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    return place(text, start, end, str(value.get("text") or ""), is_html=kind == "hypertextlabels")


_READ: dict[str, Callable[[Asked, list[Result], dict[str, Any], Moved], Any]] = {
    "label": _label, "labels": _labels, "rating": _rating, "text": _text, "comment": _text, "ranking": _ranking,
    "spans": _spans,
}  # fmt: skip
