"""Upgrading an installation that has data: the triggers on its records must neither stop a migration nor be lost by it."""

import pytest
from django.db import connection, models

from curation import datasets, search, tallying, triggers
from curation.filters import Filters
from curation.models import Dataset, Record
from tests.curation.teaching import conversations


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", [Dataset, Record])
def test_records_counts_and_search_outlive_a_table_that_a_migration_remakes(project, table):
    dataset = conversations(project, 3)
    found = Filters.read({"q": "answer"}).records(dataset).count()
    assert found == datasets.counts(dataset)["all"] == 3
    triggers.put_away(plan=["something"])
    column = models.CharField(max_length=10, default="")
    column.set_attributes_from_name("passing")
    with connection.schema_editor() as editor:
        editor.add_field(table, column)
        editor.remove_field(table, column)
    search.install()
    tallying.install()
    assert Filters.read({"q": "answer"}).records(dataset).count() == found
    conversations(project, 1, name="More")
    assert datasets.counts(dataset)["all"] == 3
    assert datasets.counts(project.datasets.get(name="More"))["all"] == 1
