"""What one team may use up: its disk and its uploads of a day, by page, REST and domain alike."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from atelier.accounts.models import Project, Upload
from atelier.files import quotas
from curation import exports, tasks
from curation.imports import drafts
from curation.models import Export, Import, Version
from curation.versions import freezes
from tests.atelier.deletions.furnished import files
from tests.curation.teacher import conversations
from training.models import Run
from training.runs import control

pytestmark = pytest.mark.django_db
MB = 2**20


@pytest.fixture
def dataset(project):
    return conversations(project, 4)


def use(project: Project, size: int, **more) -> None:
    """Create an export of that many bytes."""
    dataset = project.datasets.first()
    Export.objects.create(project=project, dataset=dataset, file="exports/x", size=size, status="done", **more)


def rows(count: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("rows.jsonl", b'{"prompt": "a", "answer": "b"}\n' * count)


def test_a_team_that_has_used_up_its_disk_starts_nothing_that_needs_more(project, dataset, alice, settings):
    settings.TEAM_DISK_BYTES = 10 * MB
    version = freezes.create(dataset, alice)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    use(project, 11 * MB)
    starts = [
        lambda: drafts.begin(dataset, alice, file=rows(), name="rows.jsonl"),
        lambda: drafts.begin(dataset, alice, url="https://a.example/rows.jsonl"),
        lambda: drafts.begin(dataset, alice, text="{}"),
        lambda: exports.begin(dataset, alice, "chat"),
        lambda: freezes.create(dataset, alice),
        lambda: control.start(version, "smollm2-135m-instruct", None, alice),
    ]
    for start in starts:
        with pytest.raises(ValidationError, match=r"uses 11 MB of its 10 MB of disk \(exports 11 MB.*Delete exports"):
            start()
    assert (Import.objects.count(), Export.objects.count(), Version.objects.count()) == (0, 1, 1)
    assert not Run.objects.exists()
    assert not [name for name in files() if name.startswith("files/imports")]


def test_by_rest_and_by_page_it_is_a_refusal_with_the_sentence(project, dataset, as_bob, bob_api, settings):
    settings.TEAM_DISK_BYTES = MB
    use(project, MB)
    path = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports/file"
    answer = bob_api.post(path, {"file": rows()})
    assert answer.status_code == 422
    assert "Delete exports, datasets or projects" in answer.json()["detail"]
    form = {"source": "file", "file": rows(), "dataset": dataset.pk}
    page = as_bob.post(reverse("curation:new_import", args=[project.pk]), form, follow=True)
    assert "Delete exports, datasets or projects" in page.content.decode()


def test_an_upload_that_would_not_fit_is_refused_before_it_is_kept(project, dataset, alice, settings):
    settings.TEAM_DISK_BYTES = MB
    with pytest.raises(ValidationError, match="and this needs 3 MB more"):
        drafts.begin(dataset, alice, file=rows(100_000), name="rows.jsonl")
    assert files() == []


def test_uploads_of_a_day_have_a_limit_and_those_of_yesterday_do_not_count(project, dataset, alice, settings):
    settings.TEAM_UPLOAD_BYTES_A_DAY = MB
    drafts.begin(dataset, alice, file=rows(20_000), name="rows.jsonl")
    with pytest.raises(ValidationError, match=r"can upload 1 MB a day.*Try again tomorrow"):
        drafts.begin(dataset, alice, file=rows(20_000), name="rows.jsonl")
    drafts.begin(dataset, alice, url="https://a.example/rows.jsonl")  # does not come over the line
    Upload.objects.update(at="2020-01-01T00:00:00Z")
    drafts.begin(dataset, alice, file=rows(20_000), name="rows.jsonl")


def test_another_teams_use_does_not_count_and_zero_is_no_limit(project, dataset, alice, charlie, settings):
    settings.TEAM_DISK_BYTES = MB
    theirs = Project.objects.create(team=charlie.memberships.get().team, name="Theirs")
    conversations(theirs, 1)
    use(theirs, 9 * MB)
    drafts.begin(dataset, alice, file=rows(), name="rows.jsonl")
    use(project, 9 * MB)
    settings.TEAM_DISK_BYTES = settings.TEAM_UPLOAD_BYTES_A_DAY = 0
    drafts.begin(dataset, alice, file=rows(), name="rows.jsonl")


def test_files_count_as_what_they_are(project, dataset, alice, team):
    drafts.begin(dataset, alice, file=rows(10), name="rows.jsonl")
    version = freezes.create(dataset, alice)
    tasks.freeze(version.pk)
    again = freezes.create(dataset, alice)
    tasks.freeze(again.pk)  # the same content: the files are there once
    version.refresh_from_db()
    run = Run.objects.create(project=project, version=version, number=1, base="b", status="done")
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints" / "w").write_bytes(b"x" * 5000)
    now = quotas.usage(team)
    assert now.parts["uploads"] == 310
    assert now.parts["versions"] == sum(file["bytes"] for file in version.files.values())
    assert now.parts["runs"] == 5000
    assert now.used == sum(now.parts.values())


def test_the_teams_page_shows_it(project, dataset, team, as_vic, settings):
    settings.TEAM_DISK_BYTES = 10 * MB
    settings.TEAM_UPLOAD_BYTES_A_DAY = 20 * MB
    use(project, int(9.5 * MB))
    Upload.objects.create(team=team, size=3 * MB)
    page = re.sub(r"[ \n]+", " ", as_vic.get(reverse("team", args=[team.pk])).content.decode())
    assert "9.5\xa0MB of 10.0\xa0MB used. Delete exports" in page
    assert "Exports" in page
    assert "3.0\xa0MB of 20.0\xa0MB uploaded in the last 24 hours" in page
