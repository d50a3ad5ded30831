"""Upgrading an installation that has data: the triggers on its records must neither stop a migration nor be lost by it."""

import pytest
from django.core.management import call_command

from curation import datasets
from curation.filters import Filters
from tests.curation.teaching import conversations


@pytest.mark.django_db(transaction=True)
def test_records_counts_and_search_outlive_a_migration_back_and_forth(project):
    dataset = conversations(project, 3)
    before = datasets.counts(dataset)
    assert before["all"] == 3
    found = Filters.read({"q": "answer"}).records(dataset).count()
    assert found
    try:
        call_command("migrate", "curation", "0008", verbosity=0)
    finally:
        call_command("migrate", "curation", verbosity=0)
    dataset.refresh_from_db()
    assert datasets.counts(dataset) == before
    assert Filters.read({"q": "answer"}).records(dataset).count() == found
    conversations(project, 1, name="More")
    assert datasets.counts(project.datasets.get(name="More"))["all"] == 1
