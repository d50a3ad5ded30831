"""Every REST call in the guides is one that the API has, and the answers have the fields that are shown."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils.module_loading import import_string

from atelier.accounts.models import APIKey
from atelier.jobs import queue
from tests.guides.examples import Example, examples, loose, named
from tests.guides.operations import OPERATIONS, Operation, find
from tests.guides.tour import Tour, the_whole

ROOT = Path(__file__).resolve().parents[2]
GUIDES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
EXAMPLES = [one for name, text in GUIDES.items() for one in examples(name, text)]
NAMED = [(name, *one) for name, text in GUIDES.items() for one in named(text)]


def operation(example: Example) -> Operation:
    found = find(example.method, example.path)
    assert found, f"{example}: there is no such operation"
    return found


def test_the_guides_that_have_calls_were_read():
    """So that a change of their form does not quietly leave them out."""
    wanted = {
        "annotation.md", "agreement.md", "api.md", "quality.md", "comparisons.md", "distillation.md", "evaluations.md", "exports.md", "search.md",
        "imports.md", "models.md", "importing-annotations.md", "charts.md", "review.md", "versions.md", "webhooks.md",
    }  # fmt: skip
    assert {one.guide for one in EXAMPLES} == wanted
    assert {one.guide for one in EXAMPLES if one.answer is not None} == wanted
    written = re.compile(r"\$ATELIER/api/|^    (GET|POST|PUT|PATCH|DELETE) +/api/", re.MULTILINE)
    assert len(EXAMPLES) == sum(len(written.findall(text)) for text in GUIDES.values())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_call_is_one_that_the_api_takes(example):
    found = operation(example)
    assert example.query <= found.query()
    assert example.status == 422 or example.body <= found.sent("application/json")  # a refusal may show what is wrong
    assert example.parts <= found.sent("multipart/form-data")


def test_every_operation_that_is_named_is_there():
    methods = {one.method for one in OPERATIONS}
    missing = [one for one in NAMED if not any(find(method, one[2]) for method in ([one[1]] if one[1] else methods))]
    assert missing == []
    assert len(NAMED) > 60


@pytest.fixture
def said(db, project, team, alice, bob, ann, monkeypatch) -> dict[Operation, list[tuple[int, Any]]]:
    """Return the responses of each operation on a walk through all of them; jobs are done at once."""
    monkeypatch.setattr(queue, "wake", lambda job: import_string(type(job).task)(job.pk))
    keys = {user.username: APIKey.issue(team, user, "guides")[1] for user in (alice, bob, ann)}
    tour = Tour(keys, project.pk)
    the_whole(tour)
    return tour.said


def test_the_answers_that_are_shown_have_the_fields_of_real_ones(said):
    assert [fault for one in EXAMPLES if (fault := wrong(one, said))] == []


def wrong(example: Example, said: dict[Operation, list[tuple[int, Any]]]) -> str:
    """Return a sentence about the first difference between a guide's example and the responses; empty when there is none."""
    if example.answer is None:
        return ""
    found = operation(example)
    real = [keys(answer) for status, answer in said[found] if example.status in (None, status) and answer]
    real = real or [(names, {}) for names in found.answered()]
    if not real:
        return f"{example}: the tour never asks for it, so nothing says what the answer is"
    own, rows = keys(example.answer)
    if not any(own == names if example.is_whole else own <= names for names, _ in real):
        return f"{example}: shows {sorted(own)}, answered is {sorted(real[-1][0])}"
    seen = known(real)
    strange = {name: sorted(names - seen[name]) for name, names in rows.items() if name in seen and names - seen[name]}
    return f"{example}: rows have no such fields: {strange}" if strange else ""


def keys(answer: Any) -> tuple[set[str], dict[str, set[str]]]:
    """Return the answer's own fields (those of the rows of a list), and by the name of a list those of its rows."""
    if isinstance(answer, list):
        return {name for row in answer for name in row}, {}
    lists = {name: value for name, value in answer.items() if isinstance(value, list)}
    rows = {name: {key for row in value if isinstance(row, dict) for key in row} for name, value in lists.items()}
    return set(answer), rows


def known(real: list[tuple[set[str], dict[str, set[str]]]]) -> dict[str, set[str]]:
    """Return, by the name of a list, every field that its rows were seen to have. Lists that were always empty are unknown."""
    names = {name for _, rows in real for name in rows}
    found = {name: set().union(*(rows.get(name, set()) for _, rows in real)) for name in names}
    return {name: fields for name, fields in found.items() if fields}


def test_a_wrong_example_is_told(said):
    """The test itself can fail: on a call that is not there, a field that is not there, one too few without a `…`."""
    shown = "    GET /api/projects/1/bulk/3/failures\n    {%s}\n\n"
    good = '"items": [], "next": null'
    right, strange, short, cut = (
        next(iter(examples("x", shown % text)))
        for text in (good, good + ', "more": 1', '"items": []', '"items": [], …')
    )
    assert [bool(wrong(one, said)) for one in (right, strange, short, cut)] == [False, True, True, False]
    assert find("GET", "/api/projects/1/bulk/3/faults") is None
    assert find("POST", "…/exports/3/explode") is None


def test_json_with_parts_left_out_is_read():
    assert loose('{"a": [1, …], …, "b": {…}, "c": "x, …"}') == ({"a": [1], "b": {}, "c": "x, …"}, False)
    assert loose('{"a": [{"b": 0.2…}, …]}') == ({"a": [{"b": 0.2}]}, True)
    with pytest.raises(ValueError, match="no JSON"):
        loose('{"a" 1}')


def test_names_of_operations_are_read():
    line = "`GET`, `POST …/questions`; `POST …/3/cancel`, `/pause` and `PATCH, DELETE …/7` (`?force=true`), see `…/x`\n"
    assert list(named(line)) == [
        ("GET", "…/questions"), ("POST", "…/questions"), ("POST", "…/3/cancel"), ("POST", "…/3/pause"),
        ("PATCH", "…/7"), ("DELETE", "…/7"), ("", "…/x"),
    ]  # fmt: skip
