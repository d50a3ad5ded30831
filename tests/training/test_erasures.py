"""Training's part in an erasure: rows of runs go, weights are named, a new run does without the row and says so."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from curation import tasks
from curation.erasures import requests
from curation.models import Record
from curation.records import derived
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen as freeze
from tests.inference.models_fixtures import SLUG, base_on_disk  # noqa: F401
from training import erasures, manifest, run_folder
from training.models import Run
from training.runs import adapters, archive, control, job

pytestmark = pytest.mark.django_db
SECRET = "Zephyrine Quill"


@pytest.fixture
def briefs(project):
    dataset = conversations(project, 20)
    for record in dataset.records.order_by("pk"):
        record.source_group = "0" * 64  # all are in one split
        record.messages[0]["content"] += f" {SECRET}" if record == dataset.records.order_by("pk")[3] else ""
        derived.complete(record)
        record.save()
    return dataset


def person(dataset) -> Record:
    return dataset.records.order_by("pk")[3]


def trained(version, with_adapter: bool = True) -> Run:
    """A run that was prepared from the version, and has an adapter."""
    run = control.start(version, SLUG, None, None)
    job.prepare(run)
    folder = run.folder / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    manifest.write(folder, base=SLUG)
    Run.objects.filter(pk=run.pk).update(status="done", started_at=timezone.now())
    run.refresh_from_db()
    if with_adapter:
        adapters.adopt(run, adapters.inspect(run))
    return run


def erase(dataset, alice):
    started = requests.begin(dataset, alice, [person(dataset).pk], "Request of 3 May")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert started.status == "done", started.error
    return started


def split_of(version, record) -> str:
    return version.entries.get(record=record).split


def texts(run: Run) -> str:
    return "".join((run.folder / name).read_text() for name in ("train.jsonl", "validation.jsonl"))


def test_the_row_goes_from_the_runs_folder_and_the_adapter_is_named(project, briefs, alice, base_on_disk, as_vic):  # noqa: F811
    version = freeze(briefs)
    run = trained(version)
    held = split_of(version, person(briefs)) in ("train", "validation")
    lines = len(texts(run).splitlines())
    assert (SECRET in texts(run)) == held
    found = erase(briefs, alice)
    assert SECRET not in texts(run)
    assert len(texts(run).splitlines()) == lines - held
    (stays,) = found.stays
    assert (stays["kind"], stays["label"]) == ("Adapter", run.adapter.name)
    assert "Run 1 trained it with the record" in stays["why"]
    page = as_vic.get(reverse("training:run", args=[project.pk, run.pk])).content.decode()
    assert "its weights may have learned from them" in page


def test_a_run_from_a_struck_version_does_without_and_says_so(project, briefs, alice, base_on_disk, as_vic):  # noqa: F811
    version = freeze(briefs)
    erase(briefs, alice)
    version.refresh_from_db()
    run = control.start(version, SLUG, None, None)
    job.prepare(run)
    assert SECRET not in texts(run)
    assert json.loads((run.folder / "recipe.json").read_text())["provenance"]["erased_rows"] == 1
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now())
    page = as_vic.get(reverse("training:run", args=[project.pk, run.pk])).content.decode()
    assert "1 row of the version had been erased before this run" in page


def test_a_run_that_trains_meanwhile_is_named(briefs, alice, base_on_disk):  # noqa: F811
    run = trained(freeze(briefs), with_adapter=False)
    Run.objects.update(status="running")
    (stays,) = erase(briefs, alice).stays
    assert (stays["kind"], stays["label"]) == ("Run", "Run 1")
    assert SECRET not in texts(run)


def test_an_adapter_whose_files_were_removed_no_longer_stays(briefs, alice, base_on_disk):  # noqa: F811
    run = trained(freeze(briefs))
    archive.archive(run, None)
    archive.free(run, archive.ALL, None)
    assert erase(briefs, alice).stays == []


def test_a_run_that_is_being_prepared_loses_no_other_row(tmp_path):
    """The erasure looks at the folder while the rows are written: it finds the whole file or none."""
    rows = [{"id": str(number), "messages": []} for number in range(5)]

    def writing():
        for row in rows:
            yield row
            erasures._without(tmp_path / "train.jsonl", {"0"})

    run_folder._write_rows(tmp_path / "train.jsonl", writing())
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) == 5
    assert erasures._without(tmp_path / "train.jsonl", {"0"}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]
