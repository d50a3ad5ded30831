"""What may come in: texts, numbers, ids, JSON; and that no operation of the API leaves a number or a text unlooked at."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from ninja.signature.details import is_pydantic_model

from atelier.api import api
from atelier.web import border
from atelier.web.schemas import Body
from curation.models import Dataset
from tests.curation.teacher import conversations, documents, endpoint
from tests.guides.operations import SCHEMA

NUL, HALF = "\x00", "\ud800"
NO_NUMBERS = [
    "",
    " ",
    "1 ",
    " 1",
    "+1",
    "-1",
    "1.0",
    "1_000",
    "²",
    "１",
    "٣",
    "0x1",
    "1e3",
    "nan",
    "9" * 25,
    "9" * 5000,
    str(2**63),
    NUL,
]


@pytest.mark.parametrize("given", [*NO_NUMBERS, None, True, 1.0, [], -1, 2**63, b"1"])
def test_no_whole_number(given):
    assert border.whole(given) is None


@pytest.mark.parametrize(("given", "number"), [("0", 0), ("007", 7), (str(2**63 - 1), 2**63 - 1), (5, 5), ("12", 12)])
def test_a_whole_number(given, number):
    assert border.whole(given) == number


def test_a_whole_number_keeps_to_its_range():
    assert [border.whole(given, least=1, most=9) for given in ("0", "1", "9", "10")] == [None, 1, 9, None]
    assert border.wholes("1,²,,3," + "9" * 5000) == [1, 3]


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "1e999", "", "x", "2", "-0.1", None, True, "1" * 60])
def test_no_number(given):
    assert border.number(given, 0, 1) is None


def test_a_number():
    assert [border.number(given, 0, 1) for given in ("0.5", 1, "1e-3")] == [0.5, 1.0, 0.001]


@pytest.mark.parametrize("bad", [NUL, f"a{NUL}b", HALF, "\udfff!"])
def test_a_text_that_cannot_be_stored_is_refused_with_its_name_wherever_it_is(bad):
    for read in (border.text, border.storable):
        with pytest.raises(ValidationError, match=r"^\['The note contains .* cannot be stored. Remove it\.'\]$"):
            read(bad, "The note")
    for value, place in (({"a": [{"b": bad}]}, "a.0.b"), ({bad: 1}, ""), ([["", bad]], "0.1")):
        assert border.fault(value)[0] == place


@pytest.mark.parametrize(
    "good", ["", " ", "é\r\n\t\f\x1b", "\U0001f469\u200d\U0001f4bb", "\u202e\ufeff\uffff", "9" * 5000]
)
def test_any_other_text_is_left_as_it_is(good):
    assert border.text(good) == good
    assert border.fault({good: [good, 1, None, 1.5, True]}) is None


def test_what_is_nested_too_deep_is_refused():
    value: Any = 1
    for _ in range(border.DEEPEST + 1):
        value = [value]
    assert border.fault(value[0]) is None
    assert "deep" in border.fault(value)[1]


@pytest.mark.parametrize(
    "raw", ["NaN", "[Infinity]", "-Infinity", "1e400", "9" * 5000, "{", "", b"\xff", "[" * 100_000, "'x'", "{}{}"]
)
def test_what_is_not_json_is_refused_with_a_sentence(raw):
    with pytest.raises(ValidationError) as caught:
        border.read_json(raw)
    assert caught.value.messages[0].endswith(("JSON.", "number.", "large.", "digits.", "structure."))


def test_json_is_read():
    assert border.read_json('{"a": [1, 2.5, null, "\\u00e9"], "b": 1e3}') == {"a": [1, 2.5, None, "é"], "b": 1000.0}


# --- every operation of the API --------------------------------------------------------------------


def sent(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, schema) of everything within what a request may contain."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from sent(part, f"{where}.{index}")
    elif isinstance(value, dict):
        if "$ref" in value:
            name = value["$ref"].rsplit("/", 1)[1]
            yield from sent(SCHEMA["components"]["schemas"][name], f"{where} {name}")
        yield where, value
        for key, part in value.items():
            yield from sent(part, f"{where}.{key}")


REQUESTS = [
    (f"{method.upper()} {path}", part)
    for path, methods in SCHEMA["paths"].items()
    for method, facts in methods.items()
    for part in [*facts.get("parameters", []), facts.get("requestBody", {})]
]


def test_every_number_that_a_request_may_hold_has_both_its_ends():
    seen = [
        (place, one)
        for name, part in REQUESTS
        for place, one in sent(part, name)
        if one.get("type") in ("integer", "number")
    ]
    assert len(seen) > 300
    least, most = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
    assert [place for place, one in seen if not (any(k in one for k in least) and any(k in one for k in most))] == []


def test_every_body_looks_at_its_texts():
    bodies = [
        (path, body)
        for prefix, router in api._routers
        for path, view in router.path_operations.items()
        for operation in view.operations
        for param in operation.signature.params
        if is_pydantic_model(param.annotation) and type(param.source).__name__ == "Body"
        for body in get_args(param.annotation) or (param.annotation,)  # a body that may be left out is a union
        if body is not type(None)
    ]
    assert len(bodies) > 30
    assert [path for path, body in bodies if not issubclass(body, Body)] == []


@pytest.mark.parametrize(
    ("body", "where", "word"),
    [
        ('{"name": "a\\u0000"}', "body.name", "NUL"),
        ('{"name": "\\ud800"}', "body.name", "half a character"),
        ('{"name": "x", "description": "\\u0000"}', "body.description", "NUL"),
    ],
)
def test_a_body_names_the_place_of_the_text(project, bob_api, body, where, word):
    answer = bob_api.post(f"/api/projects/{project.pk}/datasets", body, content_type="application/json")
    assert answer.status_code == 422
    (fault,) = answer.json()["faults"]
    assert fault["where"] == where
    assert word in fault["message"]
    assert not Dataset.objects.exists()


def test_a_text_deep_in_a_free_part_of_a_body_is_found(project, bob_api):
    body = {"name": "Desk", "kind": "label", "title": "t", "options": {"labels": [{"value": "a", "text": HALF}]}}
    dataset = Dataset.objects.create(project=project, name="Briefs")
    answer = bob_api.post(
        f"/api/projects/{project.pk}/datasets/{dataset.pk}/questions", json.dumps(body), "application/json"
    )
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"] == "body.options.labels.0.text"


@pytest.mark.parametrize(
    "body", ['{"name": NaN}', '{"name": 1e999}', "[" * 50_000, '{"name": ' + "9" * 5000 + "}", "\xff"]
)
def test_a_body_that_is_not_json_gets_a_sentence(project, bob_api, body):
    answer = bob_api.post(
        f"/api/projects/{project.pk}/datasets", body.encode("latin-1"), content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("limit", ["²", "+1", "%201", "1.0", "9" * 30, "-1", str(2**63), "%00", "201", "0"])
def test_a_number_in_a_query_is_refused_unless_it_is_one(project, bob_api, limit):
    assert bob_api.get(f"/api/projects/{project.pk}/versions?limit={limit}").status_code == 422


@pytest.mark.parametrize("pk", ["9223372036854775808", "9" * 5000, "%00"])
def test_an_id_that_no_row_can_have_is_not_found(project, bob_api, as_bob, pk):
    assert bob_api.get(f"/api/projects/{project.pk}/versions/{pk}").status_code == 404
    for page in (f"versions/{pk}", f"train/{pk}/cancel", f"data/imports/{pk}/issues.csv"):
        method = as_bob.post if page.endswith("cancel") else as_bob.get
        assert method(f"/projects/{project.pk}/{page}").status_code == 404


@pytest.mark.parametrize(
    "place", ["0001-01-01T00:00:00%2B14:00~1", "9999-12-31T23:59:59-14:00~1", "2026-02-31T00:00Z~1", "x~1", "~", "1~1"]
)
def test_a_place_in_a_list_that_no_clock_knows_is_refused(project, bob_api, place):
    dataset = Dataset.objects.create(project=project, name="Briefs")
    answer = bob_api.get(f"/api/projects/{project.pk}/datasets/{dataset.pk}/records?sort=changed&after={place}")
    assert answer.status_code == 422
    assert "Start again at the first page" in answer.json()["detail"]


# --- pages -----------------------------------------------------------------------------------------

PAGES = [
    "compare/?before=", "compare/new?like=", "compare/new?endpoints=", "train/?before=", "train/new?like=", "train/new?version=",
    "evaluate/?before=", "evaluate/new?version=", "evaluate/new?endpoints=", "distil/new?dataset=", "distil/new/columns?dataset=",
    "versions/new?dataset=", "data/imports/new?dataset=",
]  # fmt: skip


@pytest.mark.parametrize("value", ["²", "9" * 5000, str(2**63)])
def test_a_page_takes_what_is_no_number_for_none(project, as_bob, value):
    documents(project, 1)
    conversations(project, 1, name="Answers")
    endpoint(project, "http://127.0.0.1:9/v1")
    for page in PAGES:
        assert as_bob.get(f"/projects/{project.pk}/{page}{value}").status_code == 200, page


def test_a_text_that_cannot_be_stored_is_refused_by_every_page(project, as_bob):
    answer = as_bob.get(f"/projects/{project.pk}/data/?q=a%00b")
    assert answer.status_code == 400
    assert "“q” contains a NUL character" in answer.content.decode()
    answer = as_bob.post(f"/projects/{project.pk}/data/new", {"name": f"a{NUL}", "kind": "documents"})
    assert answer.status_code == 400
    assert "“name” contains a NUL character" in answer.content.decode()
    assert not Dataset.objects.exists()


# --- commands --------------------------------------------------------------------------------------


def test_a_command_refuses_a_text_of_bytes_that_are_not_utf8(project, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a"}\n')
    with pytest.raises(CommandError, match="--dataset contains half a character") as caught:
        call_command("import_records", str(rows), project=str(project.pk), dataset="caf\udce9")
    assert caught.value.returncode == 2


@pytest.mark.parametrize("wanted", ["²", "9" * 5000, str(2**63)])
def test_a_command_takes_what_is_no_id_for_a_name(project, wanted):
    with pytest.raises(CommandError, match="No project is called") as caught:
        call_command("freeze", "Briefs", project=wanted)
    assert caught.value.returncode == 2
