"""What Argilla wrote comes over, from its folder and from its table."""

import zipfile
from pathlib import Path

from curation.models import Annotation, Suggestion
from tests.curation.imports.annotated.exports import ARGILLA, by_key, move


def zipped(tmp_path: Path) -> Path:
    """Return the folder that `to_disk` writes, as a zip."""
    with zipfile.ZipFile(tmp_path / "dataset.zip", "w") as archive:
        for name in ("records.json", ".argilla/settings.json"):
            archive.write(ARGILLA / name, name)
    return tmp_path / "dataset.zip"


def test_an_argilla_dataset_comes_with_its_settings(moved_into, tmp_path, people):
    ids = {"11111111-1111-4111-8111-111111111111": "ann", "22222222-2222-4222-8222-222222222222": "bob"}
    job = move(moved_into, zipped(tmp_path), people=ids)
    assert (job.ok, job.failed, job.skipped) == (4, 0, 0)
    asked = {q.name: (q.kind, q.title) for q in moved_into.questions.all()}
    assert asked == {
        "quality": ("label", "How good?"), "issues": ("labels", "issues"), "score": ("rating", "score"),
        "better": ("text", "Write it better"), "why": ("comment", "Why?"), "order": ("ranking", "order"),
        "names": ("spans", "names"),
    }  # fmt: skip
    assert moved_into.questions.get(name="score").options == {"low": 0, "high": 5}
    assert moved_into.queue.guidelines == "## Be kind\nRead twice."
    record = by_key(moved_into)["r1"]
    one = record.annotations.get(user=people["ann"])
    assert one.answers["order"] == ["second", "first", "third"]
    text = record.fields["prompt"]
    assert [text[s["start"] : s["end"]] for s in one.answers["names"]] == ["Anna", "Graz"]
    assert record.metadata == {"argilla_metadata": {"source": "forum", "length": 28}}
    assert set(record.suggestions.values_list("question__name", "source", "score")) == {
        ("quality", "judge-1", 0.8),
        ("names", "ner", 0.5),
    }
    assert job.source["moving"]["left"]["ranking"][0] == 1  # two answers shared a rank


def test_argillas_table_for_datasets_knows_drafts_and_discarded(moved_into, people):
    ids = {"11111111-1111-4111-8111-111111111111": "ann", "22222222-2222-4222-8222-222222222222": "bob"}
    job = move(moved_into, ARGILLA / "train.parquet", people=ids)
    states = set(Annotation.objects.filter(record__key="r3").values_list("author", "state"))
    assert states == {
        ("11111111-1111-4111-8111-111111111111", "expired"),
        ("22222222-2222-4222-8222-222222222222", "skipped"),
    }
    assert "label" not in job.source["moving"]["left"], "the table's schema has the names of its numbers"
    suggested = Suggestion.objects.filter(record__dataset=moved_into, question__name="quality").order_by("record__key")
    assert [(one.record.key, one.value) for one in suggested] == [("r1", "good"), ("r2", "bad")]
