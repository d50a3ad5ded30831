"""Imports of Label Studio exports, JSON and JSON-MIN: their tasks as rows, and the answers of people and models to each.

A control (`from_name`) becomes a question; its kind and labels come from the survey over all tasks, with the labelling
configuration if there is one. The result types are those of Label Studio 1.23.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from curation.formats.annotation_tools.annotations import (
    ToolAnswer,
    ToolQuestion,
    ToolSuggestion,
    ToolTask,
    score_of,
    whole,
)
from curation.formats.annotation_tools.offsets import place
from curation.formats.readers.rows import SourceRow, bad_row

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


def _is_whole(task: dict[str, Any]) -> bool:
    """Return whether what people and models said of a task has the forms that Label Studio gives it."""
    parts = (task.get("drafts"), task.get("predictions"))
    return all(isinstance(one, dict) for one in task["annotations"]) and all(
        isinstance(one, list | None) for one in parts
    )


def is_minimal(data: dict[str, Any]) -> bool:
    return data.keys() >= MINIMAL


def rows(source: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Yield each task as a row of its data's columns, with the whole task beside it."""
    for row in source:
        if row.data is None:
            yield row
        elif is_task(row.data) and not _is_whole(row.data):
            text = "This task isn't as Label Studio writes them: annotations must be objects, and drafts and predictions lists."
            yield bad_row(row.line, "not-a-task", text)._replace(file=row.file)
        elif is_task(row.data):
            yield row._replace(data=columns(row.data), task=row.data)
        else:
            yield bad_row(
                row.line, "not-a-task", "This isn't a task of Label Studio, because it has no `data` and `annotations`."
            )


def minimal_rows(source: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Yield the tasks of JSON-MIN, each with its annotations' rows together.

    JSON-MIN has a row for each annotation; a task gets its first one's line.
    """
    for _, group in groupby(source, lambda row: row.data.get("id") if row.data else None):
        rows: list[SourceRow] = []
        bad: list[SourceRow] = []
        for row in group:
            if row.data is not None and is_minimal(row.data):
                rows.append(row)
                continue
            text = f"This isn't a row of JSON-MIN, because it doesn't have all of {', '.join(sorted(MINIMAL))}."
            is_read = row.data is not None
            bad.append(bad_row(row.line, "not-a-task", text)._replace(file=row.file) if is_read else row)
        if rows:
            task = _task_of([row.data for row in rows if row.data])
            bad.append(rows[0]._replace(data=columns(task), task=task))
        yield from sorted(bad, key=lambda row: row.line)


def columns(task: dict[str, Any]) -> dict[str, Any]:
    meta = {META: task["meta"]} if task.get("meta") else {}
    return task["data"] | meta | {KEY: str(task["id"])}


def _task_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the task of JSON-MIN rows: data comes before the id, answers between it and the annotator."""
    names = list(rows[0])
    data = {name: rows[0][name] for name in names[: names.index("id")]}
    return {
        "id": rows[0]["id"],
        "data": data,
        "annotations": [
            {"completed_by": row["annotator"], "result": list(_results(row)), "lead_time": row["lead_time"]}
            | {name: row[name] for name in ("created_at", "updated_at") if name in row}
            for row in rows
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


def translate(task: dict[str, Any], questions: dict[str, ToolQuestion]) -> ToolTask:
    """Return the answers of people and models to a task's questions, as the survey found them."""
    tool_task = ToolTask()
    for entry in task["annotations"]:
        tool_task.answers.append(_given(entry, author(entry.get("completed_by")), task, questions, tool_task))
    for entry in task.get("drafts") or []:
        _draft(entry, task, questions, tool_task)
    for entry in task.get("predictions") or []:
        _prediction(entry, task, questions, tool_task)
    if task.get("comment_count"):
        tool_task.leave(
            "comments", f"{task['comment_count']} comments on the task, of which the export has only the number."
        )
    return tool_task


def author(by: Any) -> str:
    """Return the export's name of a person: the e-mail, the name, or the number alone, which is all that many exports have."""
    if isinstance(by, dict):
        name = " ".join(str(by.get(part) or "") for part in ("first_name", "last_name")).strip()
        return str(by.get("email") or name or by.get("username") or f"user {by.get('id')}")
    return f"user {by}" if isinstance(by, int) else str(by or "unknown")


def results(entry: dict[str, Any]) -> list[Result]:
    items = entry.get("result")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def people(task: dict[str, Any]) -> Iterator[str]:
    yield from (author(one.get("completed_by")) for one in task["annotations"])
    yield from (author(one.get("user")) for one in task.get("drafts") or [] if isinstance(one, dict))


def _given(
    annotation: dict[str, Any], who: str, task: dict[str, Any], questions: dict[str, ToolQuestion], tool_task: ToolTask
) -> ToolAnswer:
    state = "skipped" if annotation.get("was_cancelled") else "submitted"
    seconds = annotation.get("lead_time")
    return ToolAnswer(
        who, state, answers(results(annotation), task, questions, tool_task), str(annotation.get("created_at") or ""),
        str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        float(seconds) if isinstance(seconds, int | float) else 0, bool(annotation.get("ground_truth")),
    )  # fmt: skip


def _draft(draft: Any, task: dict[str, Any], questions: dict[str, ToolQuestion], tool_task: ToolTask) -> None:
    if not isinstance(draft, dict):
        tool_task.leave("drafts", "A draft of which the export has only the number.", draft)
    elif draft.get("annotation"):
        tool_task.leave("drafts", "Changes to an annotation that were never saved.", draft)
    else:
        answer = _given(draft, author(draft.get("user")), task, questions, tool_task)
        answer.state = "draft"
        tool_task.answers.append(answer)


def _prediction(prediction: Any, task: dict[str, Any], questions: dict[str, ToolQuestion], tool_task: ToolTask) -> None:
    if not isinstance(prediction, dict):
        text = "A prediction of which the export has only the number. Use a snapshot that includes predictions."
        tool_task.leave("predictions", text, prediction)
        return
    score = score_of(prediction.get("score"))
    if score is None and prediction.get("score") is not None:
        tool_task.leave(
            "scores", f"A score of {prediction['score']} isn't from 0 to 1, so the suggestion is imported without it."
        )
    answered = answers(results(prediction), task, questions, tool_task)
    tool_task.suggestions.append(
        ToolSuggestion(str(prediction.get("model_version") or NAME), answered, dict.fromkeys(answered, score))
    )


def answers(
    items: list[Result], task: dict[str, Any], questions: dict[str, ToolQuestion], tool_task: ToolTask
) -> dict[str, Any]:
    """Return answers by control; what cannot be one is left, with its reason."""
    regions = {str(item["id"]) for item in items if "start" in _value(item) and item.get("id")}
    by_control: dict[str, list[Result]] = {}
    for item in items:
        question = questions.get(str(item.get("from_name")))
        kind = str(item.get("type"))
        if kind == "relation":
            tool_task.leave("relations", "A relation between two spans.", item)
        elif question is None or not question.kind:
            tool_task.leave(
                kind,
                question.note if question else f"An answer of the type {kind}, which has no matching question.",
                item,
            )
        elif kind not in SPANS and (str(item.get("id")) in regions or "start" in _value(item)):
            tool_task.leave(
                "per-region", "An answer about a single span. Questions in Atelier are about the whole record.", item
            )
        else:
            by_control.setdefault(question.source, []).append(item)
    by_question = {
        name: _READ[questions[name].kind](questions[name], parts, task, tool_task) for name, parts in by_control.items()
    }
    return {name: value for name, value in by_question.items() if value is not None}


def _value(item: Result) -> dict[str, Any]:
    value = item.get("value")
    return value if isinstance(value, dict) else {}


def words(one: Result) -> list[str]:
    """Return what was chosen or written in one result."""
    value = _value(one)
    if "taxonomy" in value:
        paths = value["taxonomy"] if isinstance(value["taxonomy"], list) else []
        return [" / ".join(map(str, path)) if isinstance(path, list) else str(path) for path in paths]
    chosen: Any = next(
        (value[name] for name in ("choices", "text", "datetime", "number", "rating", "plain") if name in value), []
    )
    return [str(item).strip() for item in (chosen if isinstance(chosen, list) else [chosen]) if item is not None]


def _label(question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask) -> str | None:
    labels = _labels(question, items, task, tool_task)
    for more in labels[1:]:
        tool_task.leave("second-label", f"{question.title}: a second label where one is allowed.", more)
    return labels[0] if labels else None


def _labels(question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask) -> list[str]:
    return [word for item in items for word in words(item)]


def _rating(question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask) -> int | None:
    value = _value(items[0])
    number = next((value[name] for name in ("rating", "number", "plain") if name in value), None)
    rated = whole(number)
    if rated is None:
        tool_task.leave("number", f"{question.title}: {str(number)[:40]} is not a whole number.", items[0])
    return rated


def _text(question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask) -> str:
    return "\n".join(word for item in items for word in words(item))


def _ranking(
    question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask
) -> list[str] | None:
    order = ranked(items[0], question.pieces)
    if order is None:
        tool_task.leave("ranking", f"{question.title}: not every answer has its own place.", items[0])
    return order


def ranked(item: Result, pieces: list[str]) -> list[str] | None:
    """Return the pieces, the best first; None for what is no such order."""
    value = _value(item)
    if "selected" in value and len(pieces) == 2:
        sides = {"left": pieces, "right": pieces[::-1]}
        return sides.get(str(value["selected"]))
    order = bucket(item)
    return order if order is not None and sorted(order) == sorted(pieces) else None


def bucket(item: Result) -> list[str] | None:
    """Return the one list of a Ranker. One with several buckets sorts into groups, which is no order: None."""
    rankings = _value(item).get("ranker")
    if isinstance(rankings, dict):
        filled = [items for items in rankings.values() if items]
        rankings = filled[0] if len(filled) == 1 else None
    return [str(item) for item in rankings] if isinstance(rankings, list) else None


def _spans(
    question: ToolQuestion, items: list[Result], task: dict[str, Any], tool_task: ToolTask
) -> list[dict[str, Any]] | None:
    """Return the spans; None when all are left out, for that is not "nothing to mark"."""
    text = task["data"].get(question.columns[0]) if question.columns else None
    spans = []
    for item in items:
        placed = span_place(text, item, question.countings) if isinstance(text, str) else None
        if placed is None:
            tool_task.leave("span-place", f"{question.title}: the words of this span aren't at its position.", item)
            continue
        labels = span_labels(item)
        spans += [{"start": placed[0], "end": placed[1], "label": str(label).strip()} for label in labels]
        if not labels:
            tool_task.leave("span-label", f"{question.title}: a span without a label.", item)
    return spans or None


def span_labels(item: Result) -> list[Any]:
    """Return the labels of a span, as they stand; none if they are no list."""
    value = _value(item)
    labels: Any = next((value[name] for name in SPANS if name in value), [])
    return labels if isinstance(labels, list) else []


def span_place(text: str, item: Result, countings: Iterable[str] = ()) -> tuple[int, int] | None:
    found = offsets_of(item)
    return place(text, *found[:3], is_html=found[3], countings=countings) if found else None


def offsets_of(item: Result) -> tuple[int, int, str, bool] | None:
    """Return a span's start and end as the tool counts, its words, and whether it counts in shown HTML."""
    value, kind = _value(item), str(item.get("type"))
    offsets = value.get("globalOffsets")
    at = offsets if isinstance(offsets, dict) else value
    start, end = at.get("start"), at.get("end")
    if any(isinstance(n, bool) or not isinstance(n, int) for n in (start, end)):
        return None
    return int(str(start)), int(str(end)), str(value.get("text") or ""), kind == "hypertextlabels"


_READ: dict[str, Callable[[ToolQuestion, list[Result], dict[str, Any], ToolTask], Any]] = {
    "label": _label, "labels": _labels, "rating": _rating, "text": _text, "comment": _text, "ranking": _ranking,
    "spans": _spans,
}  # fmt: skip
