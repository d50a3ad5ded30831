"""The idempotent create. A dataset stands for every row with a key: its name is unique too."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from atelier.jobs.once import earlier, once
from curation.models import Dataset


def named(project, name):
    return lambda: Dataset(project=project, name=name, kind="documents")


def test_the_same_key_gives_the_same_row_and_nothing_is_looked_at_again(project):
    first = once(project.datasets, "k", named(project, "Briefs"))
    assert first.idempotency_key == "k"
    assert once(project.datasets, "k", lambda: pytest.fail("made again")) == first
    assert earlier(project.datasets, "k") == first


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_each_call_makes_one(project, key):
    made = [once(project.datasets, key, named(project, name)) for name in ("Briefs", "Letters")]
    assert [dataset.name for dataset in made] == ["Briefs", "Letters"]
    assert {dataset.idempotency_key for dataset in made} == {None}
    assert earlier(project.datasets, key) is None


def test_a_key_is_of_its_scope_alone(project, alice):
    other = project.team.projects.create(name="Other", created_by=alice)
    assert once(project.datasets, "k", named(project, "Briefs")) != once(other.datasets, "k", named(other, "Briefs"))


def test_a_row_that_will_do_is_given_back_as_it_is(project):
    there = Dataset.objects.create(project=project, name="Briefs", kind="documents")
    assert once(project.datasets, "k", lambda: there) == there
    there.refresh_from_db()
    assert there.idempotency_key is None


def test_what_fails_halfway_leaves_nothing_and_the_key_is_free(project):
    def write(dataset):
        dataset.save()
        raise ValidationError("No.")

    with pytest.raises(ValidationError):
        once(project.datasets, "k", named(project, "Briefs"), write)
    assert not project.datasets.exists()
    assert once(project.datasets, "k", named(project, "Briefs")).name == "Briefs"


def test_anothers_name_is_an_error_after_which_the_transaction_goes_on(project):
    once(project.datasets, "a", named(project, "Briefs"))
    with pytest.raises(IntegrityError):
        once(project.datasets, "b", named(project, "Briefs"))
    assert project.datasets.count() == 1


def test_a_name_that_the_same_request_has_just_taken_is_no_error(project):
    def make():
        once(project.datasets, "k", named(project, "Briefs"))
        raise ValidationError("The name is taken.")

    assert once(project.datasets, "k", make).name == "Briefs"


@pytest.mark.django_db(transaction=True)
def test_of_four_at_the_same_moment_one_makes_the_row(project):
    """Each has looked for the key in vain before any writes."""
    barrier, got, written = threading.Barrier(4), [], []

    def make():
        barrier.wait()
        return named(project, "Briefs")()

    def write(dataset):
        dataset.save()
        written.append(dataset.pk)

    def request():
        try:
            got.append(once(project.datasets, "k", make, write).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 1
    assert got == written * 4
