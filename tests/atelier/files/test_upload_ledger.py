"""Uploads count when they arrive, whatever becomes of them: by every door, once, and those that come together too."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from atelier.accounts.models import Upload
from atelier.files import quotas
from curation.imports import drafts
from curation.models import Import
from inference import endpoints
from inference.models import Endpoint
from tests.atelier.deletions.furnished import files
from tests.curation.imports.annotated.exports import LS
from tests.curation.teacher import conversations

pytestmark = pytest.mark.django_db
TOGETHER = 10
ROW = b'{"prompt": "a", "answer": "b"}\n'
SIZE = 1000 * len(ROW)
DAY_FULL, DISK_FULL = "can upload .* a day", "of disk"


@pytest.fixture
def dataset(project):
    return conversations(project, 4)


def rows(size: int = SIZE, name: str = "rows.jsonl") -> ContentFile:
    return ContentFile(ROW * (size // len(ROW)), name=name)


def recorded(project, name: str = "Sample") -> Endpoint:
    return Endpoint(project=project, name=name, kind=Endpoint.Kind.RECORDED)


def together(work: Callable[[int], object]) -> list[object]:
    """Run ten threads that begin at the same moment; return what each returns, or the ValidationError that it raises."""
    found, start = [], threading.Barrier(TOGETHER)

    def run(number: int) -> None:
        if connection.vendor == "postgresql":  # ten at once on a busy machine may wait longer than people would
            connection.cursor().execute("SET lock_timeout = '60s'")
        try:
            start.wait(20)
            found.append(work(number))
        except Exception as error:
            found.append(error)
        finally:
            if connection.vendor == "postgresql":
                connection.cursor().execute("RESET lock_timeout")
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == TOGETHER
    assert [one for one in found if isinstance(one, Exception) and not isinstance(one, ValidationError)] == []
    return found


def test_deleting_the_dataset_does_not_give_the_day_back(project, dataset, alice, settings):
    settings.TEAM_UPLOAD_BYTES_A_DAY = SIZE
    drafts.begin(dataset, alice, file=rows())
    dataset.delete()
    assert not Import.objects.exists()
    with pytest.raises(ValidationError, match=DAY_FULL):
        drafts.begin(conversations(project, 1, name="Another"), alice, file=rows())


def test_a_file_that_is_refused_counts_and_one_that_is_too_much_does_not(dataset, alice, team, settings):
    settings.TEAM_UPLOAD_BYTES_A_DAY = SIZE + 100
    with pytest.raises(ValidationError, match="Parquet"):
        drafts.begin(dataset, alice, file=ContentFile(b"PAR1" + b"x" * 496, name="a.parquet"))
    assert (quotas.uploaded(team), files()) == (500, [])
    with pytest.raises(ValidationError, match=DAY_FULL):
        drafts.begin(dataset, alice, file=rows())
    assert quotas.uploaded(team) == 500
    assert not Import.objects.exists()
    assert quotas.usage(team).used == 0
    assert Upload.objects.get().settled


def test_a_request_that_comes_again_counts_once(project, dataset, alice, team, bob_api):
    first = drafts.begin(dataset, alice, file=rows(), key="k")
    assert drafts.begin(dataset, alice, file=rows(), key="k") == first
    assert quotas.uploaded(team) == SIZE
    path = f"/api/projects/{project.pk}/endpoints/recorded"
    made = [
        bob_api.post(path, {"name": "Sample", "file": rows()}, headers={"Idempotency-Key": "k"}).json()["id"]
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert quotas.uploaded(team) == 2 * SIZE


DOORS = {
    "rows": lambda api, page, at: api.post(
        at.imports, {"rows": [{"prompt": "a", "answer": "b"}]}, content_type="application/json"
    ),
    "text": lambda api, page, at: api.post(at.imports, {"text": ROW.decode()}, content_type="application/json"),
    "file": lambda api, page, at: api.post(f"{at.imports}/file", {"file": rows()}),
    "move": lambda api, page, at: api.post(at.annotated, {"file": (LS / "reviews_json.json").open("rb")}),
    "answers": lambda api, page, at: api.post(at.recorded, {"name": "A", "file": rows()}),
    "page of a file": lambda api, page, at: page.post(at.page, {"file": rows(), "dataset": "new"}),
    "page of files": lambda api, page, at: page.post(
        at.page, {"file": [rows(), rows(name="b.jsonl")], "dataset": "new"}
    ),
    "page of a text": lambda api, page, at: page.post(at.page, {"text": ROW.decode(), "dataset": "new"}),
    "page of answers": lambda api, page, at: page.post(at.answers, {"name": "A", "file": rows()}),
}


class Addresses:
    def __init__(self, project, dataset) -> None:
        self.imports = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports"
        self.annotated = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports/annotated"
        self.recorded = f"/api/projects/{project.pk}/endpoints/recorded"
        self.page = reverse("curation:new_import", args=[project.pk])
        self.answers = reverse("inference:new_endpoint", args=[project.pk, "recorded"])


@pytest.mark.parametrize("door", DOORS)
def test_by_every_door_an_upload_counts_and_is_refused_when_the_day_is_full(
    project, dataset, team, as_bob, bob_api, settings, door
):
    at = Addresses(project, dataset)
    Upload.objects.create(team=team, size=1, settled=True)
    settings.TEAM_UPLOAD_BYTES_A_DAY = 1
    refused = DOORS[door](bob_api, as_bob, at)
    assert refused.status_code == 422
    assert "a day. It uploaded 0 kB in the last 24 hours" in refused.content.decode()
    assert Upload.objects.count() == 1
    settings.TEAM_UPLOAD_BYTES_A_DAY = 0
    assert DOORS[door](bob_api, as_bob, at).status_code < 400
    kept = Upload.objects.order_by("pk").last()
    used = quotas.usage(team)
    assert kept.settled
    assert 0 < kept.size <= used.used == used.parts["uploads"] + used.parts["recorded answers"]


def test_recorded_answers_are_part_of_the_disk_and_replaced_ones_go(project, team, as_bob, settings):
    endpoints.record_answers(recorded(project), rows())
    made = Endpoint.objects.get()
    address = reverse("inference:endpoint", args=[project.pk, made.pk])
    assert as_bob.post(address, {"name": "Sample", "file": rows(2 * SIZE)}).status_code == 302
    assert quotas.usage(team).parts["recorded answers"] == 2 * SIZE
    assert len(files()) == 1
    settings.TEAM_DISK_BYTES = 2 * SIZE + 1
    with pytest.raises(ValidationError, match=r"disk \(recorded answers 61 kB\)"):
        endpoints.record_answers(recorded(project, "Second"), rows())
    assert len(files()) == 1


def test_recorded_answers_are_kept_only_of_an_endpoint_that_is_saved(project, team, as_bob):
    endpoints.record_answers(recorded(project), rows())
    before = files()
    address = reverse("inference:new_endpoint", args=[project.pk, "recorded"])
    assert as_bob.post(address, {"name": "Sample", "file": rows()}).status_code == 422  # the name is taken
    assert quotas.uploaded(team) == SIZE  # nobody looked at the file
    assert as_bob.post(address, {"name": "B", "file": ContentFile(b"no\n", name="a")}).status_code == 422
    assert quotas.uploaded(team) == SIZE + 3
    upload = endpoints.check_answers(project, rows())
    with pytest.raises(RuntimeError), endpoints.storing(recorded(project, "C"), rows(), upload):
        raise RuntimeError
    assert files() == before
    assert not Upload.objects.filter(settled=False).exists()


def test_room_is_held_for_an_upload_in_progress_but_not_for_one_that_broke_off(dataset, alice, team, settings):
    settings.TEAM_DISK_BYTES = int(1.5 * SIZE)
    held = quotas.count_upload(dataset.project, SIZE)
    with pytest.raises(ValidationError, match=r"disk \(uploads in progress 30 kB\), and this needs 30 kB more"):
        drafts.begin(dataset, alice, file=rows())
    Upload.objects.filter(pk=held.pk).update(at=timezone.now() - timedelta(hours=2))
    drafts.begin(dataset, alice, file=rows())


def test_what_counts_for_no_day_any_longer_is_swept(team):
    Upload.objects.create(team=team, size=1, at=timezone.now() - timedelta(hours=49))
    Upload.objects.create(team=team, size=2, at=timezone.now() - timedelta(hours=23))
    Upload.objects.create(team=team, size=4, at=timezone.now() - timedelta(hours=25))
    quotas.sweep()
    assert sorted(Upload.objects.values_list("size", flat=True)) == [2, 4]
    assert quotas.uploaded(team) == 2


@pytest.mark.django_db(transaction=True)
def test_of_uploads_at_the_same_time_only_as_many_pass_as_the_day_has_room_for(dataset, alice, team, settings):
    settings.TEAM_UPLOAD_BYTES_A_DAY = 3 * SIZE + 1
    found = together(lambda number: drafts.begin(dataset, alice, file=rows()))
    assert Import.objects.count() == len([one for one in found if isinstance(one, Import)]) == 3
    assert all("a day" in str(one) for one in found if isinstance(one, ValidationError))
    assert quotas.uploaded(team) == 3 * SIZE


@pytest.mark.django_db(transaction=True)
def test_uploads_at_the_same_time_do_not_pass_the_disk_together(dataset, alice, team, settings):
    """An upload that was just kept may be counted twice for a moment, so a few more may be refused: never too few."""
    settings.TEAM_DISK_BYTES = 3 * SIZE + 1
    together(lambda number: drafts.begin(dataset, alice, file=rows()))
    assert 1 <= Import.objects.count() <= 3
    for _ in range(3 - Import.objects.count()):
        drafts.begin(dataset, alice, file=rows())
    with pytest.raises(ValidationError, match=DISK_FULL):
        drafts.begin(dataset, alice, file=rows())
    assert quotas.usage(team).used == 3 * SIZE


@pytest.mark.django_db(transaction=True)
def test_recorded_answers_at_the_same_time_do_not_pass_the_disk_together(project, team, settings):
    settings.TEAM_DISK_BYTES = 3 * SIZE + 1
    together(lambda number: endpoints.record_answers(recorded(project, f"E{number}"), rows()))
    assert 1 <= Endpoint.objects.count() <= 3
    assert quotas.usage(team).used == Endpoint.objects.count() * SIZE
    assert len(files()) == Endpoint.objects.count()


@pytest.mark.django_db(transaction=True)
def test_answers_that_are_replaced_at_the_same_time_leave_one_file(project, team):
    endpoints.record_answers(recorded(project), rows())
    together(lambda number: endpoints.record_answers(Endpoint.objects.get(), rows()))
    assert len(files()) == 1
    assert quotas.usage(team).parts["recorded answers"] == SIZE


@pytest.mark.django_db(transaction=True)
def test_one_request_that_comes_ten_times_at_once_counts_once(dataset, alice, team):
    found = together(lambda number: drafts.begin(dataset, alice, file=rows(), key="k"))
    assert {one.pk for one in found} == {Import.objects.get().pk}
    assert quotas.uploaded(team) == SIZE
    assert len(files()) == 1
