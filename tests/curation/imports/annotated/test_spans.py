"""A span that another tool counted marks the same characters here."""

import io
import json
import zipfile
from collections import Counter

import pytest
from django.core.files.base import ContentFile

from curation import tasks
from curation.erasures import requests
from curation.models import Annotation, SpanTrail, Task
from curation.records import changes
from tests.curation.imports.annotated.exports import LS, move, task, tasks_file


@pytest.mark.parametrize("form", ["snapshot", "json", "json_min"])
def test_spans_mark_the_same_characters(moved_into, form):
    held = json.loads((LS / "entities_snapshot.json").read_text())
    move(moved_into, LS / f"entities_{form}.json")
    theirs = Counter(
        (str(one_task["id"]), result["value"]["text"], result["value"]["labels"][0])
        for one_task in held
        for one in one_task["annotations"]
        for result in one["result"]
        if result["type"] == "labels"
    )
    ours: Counter[tuple[str, str, str]] = Counter()
    for one in Annotation.objects.select_related("record"):
        text = one.record.fields["article"]
        ours.update((one.record.key, text[s["start"] : s["end"]], s["label"]) for s in one.answers["entities"])
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "start", "end", "said"),
    [
        ("\U0001f600 Anna", 3, 7, "Anna"),  # counted in UTF-16 units, as browsers do
        ("one\r\n\r\nAnna", 5, 9, "Anna"),  # CRLF counted as one
        ("\U0001f600\r\nAnna", 3, 7, "Anna"),  # both
        ("Anna \U0001f1e6\U0001f1f9 Anna", 10, 14, "Anna"),
        ("a line\r\nbreak", 2, 12, "line\\nbreak"),  # a break written as two characters
    ],
)
def test_places_counted_in_other_ways_are_found_by_their_words(moved_into, text, start, end, said):
    value = {"start": start, "end": end, "text": said, "labels": ["x"]}
    move(
        moved_into,
        tasks_file(task(1, text, [{"from_name": "ner", "to_name": "text", "type": "labels", "value": value}])),
    )
    (span,) = Annotation.objects.get().answers["ner"]
    assert text[span["start"] : span["end"]].replace("\r\n", "\\n") == said
    assert span["start"] == text.rindex(said[:4])


def test_spans_of_shown_html_lie_in_its_source(moved_into):
    text = "<p>Tom &amp; <b>Anna</b></p>"
    value = {
        "start": "/p[1]",
        "end": "/p[1]",
        "globalOffsets": {"start": 6, "end": 10},
        "text": "Anna",
        "hypertextlabels": ["x"],
    }
    result = {"from_name": "ner", "to_name": "text", "type": "hypertextlabels", "value": value}
    move(moved_into, tasks_file(task(1, text, [result])))
    assert Annotation.objects.get().answers["ner"] == [{"start": 16, "end": 20, "label": "x"}]


def test_a_span_whose_words_stand_elsewhere_is_left_and_listed(moved_into):
    value = {"start": 0, "end": 4, "text": "Karl", "labels": ["x"]}
    result = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    job = move(moved_into, tasks_file(task(1, "Anna and Bob", [result])))
    assert (job.issues.get().code, job.source["moving"]["left"]["span-place"][0]) == ("span-place", 1)


def test_spans_of_argilla_quote_no_words_and_are_read_as_the_browser_counted_them(moved_into):
    """Two emoji-bearing records, one span of which fits no way of counting."""
    folder = argilla_zip(
        {"text": "Landed \U0001f6ec in Turin with Ada today", "spans": [(13, 18, "place"), (24, 27, "person")]},
        {"text": "\U0001f6ec\U0001f6ec Oslo and Kim", "spans": [(5, 9, "place"), (6, 9, "person")]},
        {"text": "Nothing here", "spans": []},
    )
    job = move(moved_into, folder)
    by_text = {one.record.fields["text"]: one for one in Annotation.objects.select_related("record")}
    marked = {
        text: [(text[s["start"] : s["end"]], s["label"]) for s in one.answers.get("ents", [])]
        for text, one in by_text.items()
    }
    assert list(marked.values()) == [[("Turin", "place"), ("Ada", "person")], [("Oslo", "place")], []]
    assert by_text["Nothing here"].answers == {"ents": []}, "there the answer is that nothing is to be marked"
    assert job.source["moving"]["left"]["span-place"][0] == 1
    (asked,) = job.source["moving"]["asked"]
    assert (asked["countings"][0], "UTF-16" in asked["note"]) == ("utf-16", True)


def test_an_answer_whose_spans_are_all_left_out_is_not_that_nothing_is_to_be_marked(moved_into):
    value = {"start": 0, "end": 4, "text": "Karl", "labels": ["x"]}
    result = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    move(moved_into, tasks_file(task(1, "Anna and Bob", [result])))
    assert Annotation.objects.get().answers == {}


def argilla_zip(*records: dict) -> ContentFile:
    options = [{"value": "place", "text": "place"}, {"value": "person", "text": "person"}]
    settings = {
        "guidelines": None,
        "fields": [{"name": "text", "title": "Text", "type": "text", "required": True}],
        "questions": [{"name": "ents", "title": "Entities", "required": False, "settings": {"type": "span", "field": "text", "options": options}}],
    }  # fmt: skip
    rows = [
        {
            "id": f"r{n}", "fields": {"text": one["text"]}, "metadata": {}, "vectors": {}, "suggestions": {}, "status": "completed",
            "responses": {"ents": [{"value": [dict(zip(("start", "end", "label"), s, strict=True)) for s in one["spans"]], "user_id": "u", "status": "submitted"}]},
        }
        for n, one in enumerate(records)
    ]  # fmt: skip
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("records.json", json.dumps(rows))
        archive.writestr(".argilla/settings.json", json.dumps(settings))
    return ContentFile(file.getvalue(), name="argilla.zip")


def test_importing_again_puts_spans_into_the_text_as_people_edited_it(moved_into, alice):
    """The second export has one more person's spans, counted in the text of before."""
    text = "Write to kim about Oslo"
    kim = {"start": 9, "end": 12, "text": "kim", "labels": ["x"]}
    oslo = {"start": 19, "end": 23, "text": "Oslo", "labels": ["x"]}
    first, second = ({"from_name": "ner", "to_name": "text", "type": "labels", "value": v} for v in (kim, oslo))
    move(moved_into, tasks_file(task(1, text, [first])))
    record = moved_into.records.get()
    changes.update(record, alice, record.revision, {"fields": {"text": "Do write to [NAME_1] about Oslo"}})
    move(moved_into, tasks_file(task(1, text, [first], [first, second])))
    record.refresh_from_db()
    answers = Annotation.objects.filter(author="user 2").get().answers
    assert [record.fields["text"][s["start"] : s["end"]] for s in answers["ner"]] == ["Oslo"]
    assert {trail.aside[0]["words"] for trail in SpanTrail.objects.filter(holder="annotation")} == {"kim"}
    assert SpanTrail.objects.filter(holder="annotation").count() == 2
    changes.update(record, alice, record.revision, {"fields": {"text": text}})
    settled = Task.objects.get(record=record)
    assert (settled.state, settled.answers) == ("disputed", {}), "what was final before the second file stays gone"


def test_a_task_that_was_erased_does_not_come_in_again(moved_into):
    value = {"start": 0, "end": 4, "text": "Anna", "labels": ["x"]}
    result = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    rows = (task(1, "Anna came", [result]), task(2, "Nobody came"))
    move(moved_into, tasks_file(rows[0]))
    tasks.erase(requests.begin(moved_into, None, [moved_into.records.get().pk], "Request").pk)
    job = move(moved_into, tasks_file(*rows))
    assert [record.key for record in moved_into.records.present()] == ["2"]
    issue = job.issues.get()
    assert (issue.code, issue.raw, Annotation.objects.filter(answers__ner__isnull=False).count()) == ("erased", "", 0)
