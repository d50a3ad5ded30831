"""The pages of distillations and versions, for every role."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from curation import tasks
from curation.models import Dataset, Distillation, Record, Version
from curation.versions import files as version_files
from curation.versions import freezes
from tests.curation.teacher import conversations, documents, endpoint, started, teacher_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(project):
    """A finished distillation with one failed row."""
    with teacher_server(faults=["401"]) as server:
        job = started(project, endpoint(project, server.url), documents(project, 3), concurrency=1)
        tasks.distil(job.pk)
    job.refresh_from_db()
    assert (job.ok, job.failed) == (2, 1)
    return job


@pytest.fixture
def version(project):
    version = freezes.create(conversations(project, 12, name="Frozen"), None, notes="<b>bold</b>")
    tasks.freeze(version.pk)
    version.refresh_from_db()
    return version


def form(project, **more):
    source = project.datasets.filter(kind="documents").first() or documents(project, 4)
    values = {
        "dataset": source.pk,
        "teacher": project.endpoints.get().pk,
        "template": "{{ text }}",
        "unanswered": "on",
        "temperature": "0.3",
        "top_p": "1",
        "max_tokens": "100",
        "concurrency": "4",
        "student_prompt": "Short.",
    }
    return values | more


READ = [
    "curation:distil",
    "curation:versions",
    "curation:distillation",
    "curation:distillation_progress",
    "curation:ledger",
    "curation:ledger_file",
    "curation:generation",
    "curation:version",
    "curation:version_progress",
    "curation:version_file",
]
EDIT = ["curation:new_distillation", "curation:distil_columns", "curation:new_version", "curation:version_counts"]
MOVES = [
    ("curation:distillation_move", ["cancel"]),
    ("curation:retry_distillation", []),
    ("curation:distillation_budget", []),
    ("curation:version_move", ["cancel"]),
]


def address(name, project, job, version, extra=()):
    args = {
        "curation:generation": [job.pk, job.generations.first().pk],
        "curation:version": [version.pk],
        "curation:version_progress": [version.pk],
        "curation:version_file": [version.pk, "train"],
        "curation:version_move": [version.pk],
    }.get(name)
    if args is None:
        args = [] if name in [*EDIT, "curation:distil", "curation:versions"] else [job.pk]
    return reverse(name, args=[project.pk, *args, *extra])


def test_strangers_see_nothing_and_small_roles_change_nothing(project, job, version, as_charlie, as_vic, as_ann):
    for name in READ:
        url = address(name, project, job, version)
        assert as_charlie.get(url).status_code == 404, name
        assert as_vic.get(url).status_code in (200, 286), name
    for name in EDIT:
        url = address(name, project, job, version)
        assert as_charlie.get(url).status_code == 404, name
        assert as_ann.get(url).status_code == 403, name
    for name, extra in MOVES:
        url = address(name, project, job, version, extra)
        assert as_charlie.post(url).status_code == 404, name
        assert as_ann.post(url).status_code == 403, name
        assert as_ann.get(url).status_code == 405, name


def test_anonymous_people_are_sent_to_sign_in(client, project, job, version):
    for name in [*READ, *EDIT]:
        assert client.get(address(name, project, job, version)).status_code == 302, name


def test_a_child_of_another_project_is_not_found(project, team, job, version, as_bob):
    other = type(project).objects.create(team=team, name="Other")
    for name in READ[2:]:
        assert as_bob.get(address(name, other, job, version)).status_code == 404, name


def test_empty_pages_say_what_to_do_first(project, as_bob):
    page = as_bob.get(reverse("curation:distil", args=[project.pk])).content.decode()
    assert "Import records" in page
    documents(project, 1)
    assert "Add a teacher" in as_bob.get(reverse("curation:distil", args=[project.pk])).content.decode()
    endpoint(project, "http://127.0.0.1:9/v1")
    assert "Choose records and teacher" in as_bob.get(reverse("curation:distil", args=[project.pk])).content.decode()
    assert "needs conversations" in as_bob.get(reverse("curation:versions", args=[project.pk])).content.decode()


def test_the_form_suggests_the_project_s_texts_and_the_longest_column(project, as_bob):
    project.guidelines, project.student_prompt = "The whole guide", "Be short"
    project.save()
    documents(project, 2)
    endpoint(project, "http://127.0.0.1:9/v1")
    page = as_bob.get(reverse("curation:new_distillation", args=[project.pk])).content.decode()
    assert "The whole guide" in page
    assert "Be short" in page
    assert "{{ text }}</textarea>" in page
    assert 'data-insert="{{ topic }}"' in page
    # The columns are fetched by themselves: no button of the form waits for that.
    assert re.search(r'<div id="columns"[^>]* hx-disabled-elt="unset"', page)


def test_a_preview_shows_three_answers_and_starts_nothing(project, as_bob):
    documents(project, 4)
    with teacher_server() as server:
        endpoint(project, server.url, price_in=Decimal(1), price_out=Decimal(1))
        values = form(project, do="preview")
        page = as_bob.post(reverse("curation:new_distillation", args=[project.pk]), values).content.decode()
        assert len(server.calls) == 3
    assert page.count("Answer to: Brief number") >= 3
    assert "Start: 4 records" in page
    assert not Distillation.objects.exists()
    assert not Dataset.objects.filter(kind="conversations").exists()


def test_a_preview_of_no_record_says_what_to_do_and_offers_no_start(project, as_bob):
    documents(project, 1)
    endpoint(project, "http://127.0.0.1:9/v1")
    page = as_bob.post(
        reverse("curation:new_distillation", args=[project.pk]), form(project, do="preview", status="rejected")
    ).content.decode()
    assert "No records are left" in page
    assert 'id="start-button"' not in page


def test_starting_makes_the_dataset_and_queues_the_job(project, as_bob, bob):
    documents(project, 4)
    endpoint(project, "http://127.0.0.1:9/v1")
    response = as_bob.post(
        reverse("curation:new_distillation", args=[project.pk]), form(project, do="start", target_name="Mine")
    )
    job = Distillation.objects.get()
    assert response.url == reverse("curation:distillation", args=[project.pk, job.pk])
    assert (job.status, job.target.name, job.created_by, job.student_prompt) == ("queued", "Mine", bob, "Short.")


def test_a_bad_template_comes_back_with_a_sentence(project, as_bob):
    documents(project, 1)
    endpoint(project, "http://127.0.0.1:9/v1")
    values = form(project, template="{{ text", do="start")
    response = as_bob.post(reverse("curation:new_distillation", args=[project.pk]), values)
    assert response.status_code == 422
    assert "of the template" in response.content.decode()


def test_a_foreign_dataset_or_teacher_is_refused(project, team, as_bob):
    other = type(project).objects.create(team=team, name="Other")
    documents(project, 1)
    endpoint(project, "http://127.0.0.1:9/v1")
    foreign = documents(other, 1)
    values = form(project, dataset=foreign.pk, do="start")
    assert as_bob.post(reverse("curation:new_distillation", args=[project.pk]), values).status_code == 422
    assert not Distillation.objects.exists()


def test_the_columns_follow_the_chosen_dataset(project, as_bob):
    source = documents(project, 1)
    source.records.update(fields={"odd name": "x"})
    page = as_bob.get(reverse("curation:distil_columns", args=[project.pk]), {"dataset": source.pk}).content.decode()
    assert "{{ row[&quot;odd name&quot;] }}" in page


def test_the_ledger_filters_pages_and_downloads(project, job, as_vic):
    url = reverse("curation:ledger", args=[project.pk, job.pk])
    page = as_vic.get(url, {"outcome": "failed"}).content.decode()
    assert page.count("<tr>") == 2
    assert "API key" in page
    assert as_vic.get(url, {"outcome": "evil' OR 1=1"}).status_code == 200
    assert as_vic.get(url, {"after": "x", "before": "9" * 30}).status_code in (200, 400)
    lines = b"".join(as_vic.get(reverse("curation:ledger_file", args=[project.pk, job.pk]))).splitlines()
    assert len(lines) == 3


def test_the_ledger_s_pages_meet_without_a_gap(project, job, as_vic, monkeypatch):
    monkeypatch.setattr("curation.views.distillation.ledger.PAGE", 2)
    url = reverse("curation:ledger", args=[project.pk, job.pk])
    first = as_vic.get(url).context
    second = as_vic.get(url + first["next_url"]).context
    assert [len(first["rows"]), len(second["rows"])] == [2, 1]
    assert second["next_url"] is None
    back = as_vic.get(url + second["prev_url"]).context
    assert back["rows"] == first["rows"]
    assert back["prev_url"] is None


def test_retrying_puts_back_what_failed(project, job, as_bob):
    as_bob.post(reverse("curation:retry_distillation", args=[project.pk, job.pk]))
    job.refresh_from_db()
    assert (job.status, job.failed) == ("queued", 0)


def test_a_job_can_be_paused_resumed_and_cancelled(project, as_bob):
    job = started(project, endpoint(project, "http://127.0.0.1:9/v1"), documents(project, 2))
    for move, status in [("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")]:
        as_bob.post(reverse("curation:distillation_move", args=[project.pk, job.pk, move]))
        job.refresh_from_db()
        assert job.status == status


def test_raising_the_budget_goes_on(project, as_bob):
    job = started(
        project, endpoint(project, "http://127.0.0.1:9/v1", price_in=1), documents(project, 2), budget=Decimal(1)
    )
    Distillation.objects.filter(pk=job.pk).update(status="paused", cost=Decimal("0.9"))
    url = reverse("curation:distillation_budget", args=[project.pk, job.pk])
    as_bob.post(url, {"budget": "0.5"})
    job.refresh_from_db()
    assert (job.status, job.budget) == ("paused", Decimal(1))
    as_bob.post(url, {"budget": "2"})
    job.refresh_from_db()
    assert (job.status, job.budget) == ("queued", Decimal(2))


def test_what_models_write_is_never_markup(project, as_vic):
    with teacher_server(reply=lambda body: "<img src=x onerror=alert(1)><script>alert(1)</script>") as server:
        job = started(project, endpoint(project, server.url), documents(project, 1))
        tasks.distil(job.pk)
    unit = job.generations.get()
    for name, args in [("curation:ledger", [job.pk]), ("curation:generation", [job.pk, unit.pk])]:
        page = as_vic.get(reverse(name, args=[project.pk, *args])).content.decode()
        assert "&lt;img src=x" in page
        assert "<img src=x" not in page
        assert "<script>alert" not in page


# --- versions ---


def test_what_is_wrong_beside_the_form_names_its_field(project, as_bob):
    dataset = conversations(project, 3)
    values = {"dataset": dataset.pk, "train": "80", "validation": "-10", "test": "30", "seed": "-1", "clean_only": "on"}
    page = as_bob.get(reverse("curation:version_counts", args=[project.pk]), values).content.decode()
    assert "Validation, %: Ensure this value is greater than or equal to 0." in page
    assert "Seed: Ensure this value is greater than or equal to 0." in page


def test_freezing_from_the_form(project, as_bob, bob):
    dataset = conversations(project, 10)
    url = reverse("curation:new_version", args=[project.pk])
    assert "This version would contain" in as_bob.get(url).content.decode()
    values = {
        "dataset": dataset.pk,
        "status": "accepted",
        "clean_only": "on",
        "train": "80",
        "validation": "10",
        "test": "10",
        "seed": "3",
    }
    response = as_bob.post(url, values)
    version = Version.objects.get()
    assert response.url == reverse("curation:version", args=[project.pk, version.pk])
    assert (version.seed, version.created_by, version.shares["train"]) == (3, bob, 0.8)
    assert as_bob.post(url, values | {"train": "50"}).status_code == 422
    assert as_bob.post(url, values | {"status": "rejected"}).status_code == 422


def test_the_counts_are_those_of_the_version(project, as_bob):
    dataset = conversations(project, 30)
    values = {"dataset": dataset.pk, "status": "accepted", "train": "50", "validation": "25", "test": "25", "seed": "3"}
    page = as_bob.get(reverse("curation:version_counts", args=[project.pk]), values).content.decode()
    found = [int(number) for number in re.findall(r'<dd class="num">(\d+)</dd>', page)]
    version = freezes.create(dataset, None, shares={"train": 0.5, "validation": 0.25, "test": 0.25}, seed=3)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    groups = 30  # each record has a question of its own
    assert found == [30, groups, *version.counts().values()]


def test_the_version_page_shows_hash_splits_rows_and_escapes_notes(project, version, as_bob):
    page = as_bob.get(reverse("curation:version", args=[project.pk, version.pk])).content.decode()
    assert version.content_hash in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "Question" in page
    assert f"?version={version.pk}" in page


def test_a_split_downloads_exactly_as_frozen(project, version, as_vic):
    response = as_vic.get(reverse("curation:version_file", args=[project.pk, version.pk, "train"]))
    assert "attachment" in response["Content-Disposition"]
    with version_files.open_split(version, "train") as stream:
        assert b"".join(response) == stream.read()
    assert as_vic.get(reverse("curation:version_file", args=[project.pk, version.pk, "dev"])).status_code == 302


def test_the_page_says_when_a_file_was_changed(project, version, as_vic):
    from django.core.files.storage import default_storage

    with open(default_storage.path(version.files["train"]["name"]), "ab") as file:
        file.write(b"x")
    page = as_vic.get(reverse("curation:version", args=[project.pk, version.pk])).content.decode()
    assert "differs from what was frozen" in page


def test_steps_say_what_comes_next(project, as_bob):
    documents(project, 1)
    home = as_bob.get(reverse("project", args=[project.pk])).content.decode()
    assert "A teacher can write answers" in home
    conversations(project, 2)
    assert "2 accepted records can be frozen" in as_bob.get(reverse("project", args=[project.pk])).content.decode()
    assert Record.objects.count() == 3
