"""Tasks of other tools in which anything may stand anywhere: each is read or refused with the reason, and none ends the import."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from curation.formats.annotation_tools import argilla, label_studio
from curation.formats.annotation_tools.argilla_survey import ArgillaSurvey
from curation.formats.annotation_tools.label_studio_survey import LabelStudioSurvey
from curation.formats.readers.rows import SourceRow

FIXTURES = Path(__file__).parents[2] / "fixtures"
LEAVES: list[Any] = [None, 1, True, "x", [], {}, 1.5, [1], {"a": 1}, [{"a": 1}], "start", -5, 10**18]
FLAT = {
    "_server_id": "a", "status": "pending", "id": "1", "text": "The wren sings.", "tone.responses": ["plain"],
    "tone.responses.users": ["u"], "tone.responses.status": ["submitted"], "tone.suggestion": "loud",
    "tone.suggestion.agent": "m", "tone.suggestion.score": 0.5,
}  # fmt: skip
RANKED = {
    "id": 1, "fields": {"text": "The wren sings."}, "vectors": {"v": [0.1]},
    "responses": {"order": [{"user_id": "u", "status": "submitted", "value": [{"value": "a", "rank": 1}, {"value": "b", "rank": 2}]}]},
    "suggestions": {"marks": {"value": [{"start": 4, "end": 8, "label": "bird"}], "agent": "m", "score": 0.5}},
}  # fmt: skip


def stored(folder: str) -> list[dict[str, Any]]:
    """Return the tasks of the tools' own files."""
    found: list[dict[str, Any]] = []
    for path in sorted((FIXTURES / folder).glob("*.json*")):
        text = path.read_text()
        rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        found += [row for row in (rows if isinstance(rows, list) else [rows]) if isinstance(row, dict)][:5]
    return found


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, item in inner[:20]:
        yield (*above, key)
        yield from places(item, (*above, key))


def changed(task: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a copy of the task in which one to three values are something else, or missing."""
    task = copy.deepcopy(task)
    for _ in range(chance.randint(1, 3)):
        if not (known := list(places(task))):
            break
        *path, last = chance.choice(known)
        inner: Any = task
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict) and chance.random() < 0.2:
            del inner[last]
        else:
            inner[last] = copy.deepcopy(chance.choice(LEAVES))
    return task


@pytest.mark.parametrize(
    ("tool", "rows", "is_one", "survey", "tasks"),
    [
        (argilla, argilla.rows, argilla.is_record, ArgillaSurvey, [*stored("argilla"), RANKED]),
        (argilla, argilla.rows, argilla.is_flat, ArgillaSurvey, [FLAT]),
        (label_studio, label_studio.rows, label_studio.is_task, LabelStudioSurvey, stored("label_studio")),
        (label_studio, label_studio.minimal_rows, label_studio.is_minimal, LabelStudioSurvey, stored("label_studio")),
    ],
    ids=["argilla", "flat", "label_studio", "minimal"],
)
def test_a_task_with_anything_anywhere_is_read_or_refused(
    tool: ModuleType, rows: Any, is_one: Any, survey: Any, tasks: list[dict[str, Any]]
) -> None:
    chance, known, read, refused = random.Random(4), [task for task in tasks if is_one(task)], 0, 0
    assert known
    for number in range(1500):
        for row in rows(iter([SourceRow(number, changed(chance.choice(known), chance))])):
            if row.task is None:
                assert row.problem
                refused += 1
                continue
            seen = survey()
            seen.see(row.task)
            tool.translate(row.task, {question.source: question for question in seen.asked()})
            read += 1
    assert read > 100
    assert refused > 100


def test_rows_of_one_task_keep_their_order_around_a_broken_one() -> None:
    row = {"text": "x", "id": 1, "tone": "plain", "annotator": 1, "annotation_id": 1, "created_at": "", "lead_time": 1}
    broken = {"text": "x", "id": 1}
    found = list(
        label_studio.minimal_rows(
            iter([SourceRow(1, broken), SourceRow(2, row), SourceRow(3, broken), SourceRow(4, row)])
        )
    )
    assert [(one.line, one.task is None) for one in found] == [(1, True), (2, False), (3, True)]
    assert len((found[1].task or {})["annotations"]) == 2
