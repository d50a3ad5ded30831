"""What was erased does not come in again, by whichever way rows come: added, by their ID, or as another tool's tasks."""

import dataclasses

import pytest

from curation.datasets import settings
from curation.imports import drafts
from curation.imports.annotated import plan
from curation.models import Change, Dataset
from curation.tasks import import_file
from tests.curation.erasures.erasing import erased, everywhere
from tests.curation.imports.annotated.exports import choice, move, task, tasks_file
from tests.curation.imports.test_job import chat
from tests.curation.imports.test_updates import imported

WORDS = "Zofia Nowak lives at 5 Lime Row"


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def test_a_row_with_an_id_does_not_bring_erased_content_into_the_record_of_that_id(chats, alice):
    imported(chats, chat(WORDS, id="a"), chat("two", id="b"))
    erased(chats, alice, chats.records.get(key="a"))
    job = imported(chats, chat(WORDS, id="b"), chat(WORDS, id="a"), chat("three", id="c"), chat(WORDS, id="c"))
    assert (job.ok, job.updated, job.skipped, job.failed) == (1, 0, 3, 0)
    assert [issue.code for issue in job.issues.all()] == ["erased"] * 3
    assert chats.records.get(key="b").preview == "Say two"
    assert not Change.objects.filter(imported_by=job).exists()


def test_a_task_of_another_tool_does_not_bring_erased_content(project, alice):
    dataset = settings.create(project, alice, "Moved")
    file = tasks_file(task(1, WORDS, [choice("plain")]), task(2, "Two words", [choice("loud")]))
    move(dataset, file)
    erased(dataset, alice, dataset.records.get(key="1"))
    file.seek(0)
    job = move(dataset, file)
    assert (job.ok, job.skipped, job.failed) == (0, 2, 0)
    assert sorted(job.issues.values_list("code", flat=True)) == ["erased", "unchanged"]
    assert set(everywhere(WORDS)) <= {job.file.rsplit("/", 1)[-1]}  # what was sent again, and nothing made of it


def test_the_labels_of_a_tasks_column_join_those_that_people_agreed_on(project, alice):
    dataset = settings.create(project, alice, "Moved")
    one = task(1, "One word", [choice("plain")])
    one["data"]["mood"] = ["glad", "plain"]
    job = drafts.begin(dataset, None, file=tasks_file(one), name="tasks.json", any_kind=True)
    plan.configure(job)
    job.save()
    mapping = drafts.suggested(job)[0]
    mapping = dataclasses.replace(mapping, fields=["text"], labels="mood")
    drafts.confirm_unseen(job, mapping)
    import_file(job.pk)
    assert dataset.records.get().labels == ["glad", "plain"]
