"""Base models: on disk or not, and fetched in a child process."""

import json
import os
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from atelier.jobs import claims
from atelier.jobs.models import Status
from tests.inference.models_fixtures import make_adapter
from tests.training.conftest import SLUG
from training.bases import offers
from training.models import Base, Pull

pytestmark = pytest.mark.django_db


def fetched(pull: Pull) -> Pull:
    claims.execute(Pull, pull.pk, offers.pull)
    pull.refresh_from_db()
    return pull


def test_a_base_on_disk_is_noted_with_its_revision_and_digest(project, tiny_base):
    (row,) = offers.present()
    assert (row.slug, row.revision) == (SLUG, "tiny-1")
    assert len(row.digest) == 64
    assert row.bytes > 1000
    assert offers.offers(project)[0].row == row


def test_another_content_is_another_digest(tiny_base):
    before = offers.note(SLUG).digest
    found = json.loads((tiny_base / "manifest.json").read_text())
    (tiny_base / "manifest.json").write_text(json.dumps({**found, "revision": "tiny-2"}))
    after = offers.note(SLUG)
    assert after.digest != before
    assert after.revision == "tiny-2"
    assert Base.objects.count() == 1


def test_pulling_what_is_there_ends_at_once(project, tiny_base):
    pull = fetched(offers.start_pull(project, SLUG, None))
    assert pull.status == Status.DONE, pull.error
    assert "tiny-1" in pull.line


def test_an_unreachable_hub_is_a_sentence(project, data_folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    pull = fetched(offers.start_pull(project, "mistral-7b-instruct-v0-3", None))
    assert pull.status == Status.FAILED
    assert "could not be downloaded" in pull.error
    assert "Check the network" in pull.error


def test_only_the_hubs_settings_reach_the_child(monkeypatch):
    for name in ("SECRET_KEY", "DATABASE_URL", "MISTRAL_API_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("HF_TOKEN", "token")
    assert offers.hub_settings()["HF_TOKEN"] == "token"
    assert "canary" not in offers.hub_settings().values()


def test_the_childs_words_are_read_among_other_output(tmp_path):
    log = Path(tmp_path / "log")
    log.write_text('warning: noise\n{"line": "Pulling"}\n{"bytes": 5}\n{"bytes": 7}\n{"by')
    assert offers.last_words(log) == {"line": "Pulling", "bytes": 7}


def test_an_unknown_base_cannot_be_pulled(project):
    with pytest.raises(ValidationError, match="No base is called"):
        offers.start_pull(project, "gpt", None)


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("ATELIER_NO_STUDENT") == "1", reason="the student's package is left out")
def test_the_student_is_converted_from_its_package(project, data_folder):
    pull = fetched(offers.start_pull(project, SLUG, None))
    assert pull.status == Status.DONE, pull.error
    assert offers.present()[0].bytes > 500_000_000


@pytest.mark.parametrize("revision", ["main", "tiny-2", "0123456789"])
def test_a_base_with_adapters_or_runs_is_not_swapped_for_another_revision(project, tiny_base, revision):
    waiting = offers.start_pull(project, SLUG, None, revision=revision)
    adapter = make_adapter(project)
    failed = fetched(waiting)
    assert failed.status == Status.FAILED
    assert "Adapters were trained on it" in failed.error
    with pytest.raises(ValidationError, match="at revision tiny-1"):
        offers.start_pull(project, SLUG, None, revision=revision)
    adapter.run.status = "paused"
    adapter.run.save()
    adapter.delete()
    with pytest.raises(ValidationError, match="A run that isn't over trains on it"):
        offers.start_pull(project, SLUG, None, revision=revision)
    assert fetched(offers.start_pull(project, SLUG, None)).status == Status.DONE, "what is there may stay"


def test_a_swap_is_told(project, tiny_base, monkeypatch):
    def fetch(claim, slug, revision=""):
        found = json.loads((tiny_base / "manifest.json").read_text())
        (tiny_base / "manifest.json").write_text(json.dumps({**found, "revision": revision}))

    monkeypatch.setattr(offers, "fetch", fetch)
    pull = fetched(offers.start_pull(project, SLUG, None, revision="tiny-2"))
    assert "It replaced revision tiny-1" in pull.line
