"""A span that another tool counted marks the same characters here."""

import json
from collections import Counter

import pytest

from curation.models import Annotation
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
