"""Upgrading an installation that has data: the triggers on its records must neither stop a migration nor be lost by it."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor

from curation.models import BulkAction, Change, Dataset, Distillation, Import, Record
from curation.search import counts as record_counts
from curation.search import index as search_index
from curation.search import tallies, triggers
from curation.search.filters import Filters
from tests.curation.teacher import conversations


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", [Dataset, Record])
def test_records_counts_and_search_outlive_a_table_that_a_migration_remakes(project, table):
    dataset = conversations(project, 3)
    found = Filters.read({"q": "answer"}).records(dataset).count()
    assert found == record_counts.counts(dataset)["all"] == 3
    triggers.put_away(plan=["something"])
    column = models.CharField(max_length=10, default="")
    column.set_attributes_from_name("passing")
    with connection.schema_editor() as editor:
        editor.add_field(table, column)
        editor.remove_field(table, column)
    search_index.install()
    tallies.install()
    assert Filters.read({"q": "answer"}).records(dataset).count() == found
    conversations(project, 1, name="More")
    assert record_counts.counts(dataset)["all"] == 3
    assert record_counts.counts(project.datasets.get(name="More"))["all"] == 1


@pytest.mark.django_db(transaction=True)
def test_what_was_stored_as_mend_is_fix_after_the_upgrade_and_mend_again_after_its_undoing(project, alice, monkeypatch):
    monkeypatch.setattr(import_module("curation.migrations.0012_mend_is_fix"), "SIZE", 2)
    dataset = conversations(project, 5)
    said = 'The text "fixable": "mend", "mendable": stays.'
    Record.objects.update(problems=[{"code": "html", "message": said, "fixable": True}], problem_count=1)
    tallied = record_counts.counts(dataset)
    job = BulkAction.objects.create(
        project=project, dataset=dataset, action="fix", line="5 records fixed; 2 have nothing to fix."
    )
    accepted = BulkAction.objects.create(project=project, dataset=dataset, action="accept", line="1 record accepted.")
    for record in dataset.records.all():
        for bulk in (job, accepted, None):
            action = bulk.action if bulk else "fix"
            Change.objects.create(record=record, dataset=dataset, actor="bob", action=action, bulk=bulk)
    imports = [
        Import.objects.create(project=project, dataset=dataset, original_name="a.jsonl", mapping=mapping)
        for mapping in ({"kind": "conversations", "fix": True}, {"kind": "documents", "fix": False}, {})
    ]
    Dataset.objects.update(mapping={"fix": True})

    def stored() -> list[Any]:
        return [
            *BulkAction.objects.order_by("pk").values_list("action", "line"),
            *Change.objects.order_by("pk").values_list("action", flat=True),
            *Import.objects.filter(pk__in=[each.pk for each in imports]).order_by("pk").values_list("mapping", flat=True),
            Dataset.objects.get().mapping, *Record.objects.values_list("problems", flat=True),
        ]  # fmt: skip

    now = stored()
    MigrationExecutor(connection).migrate([("curation", "0011_words")])
    before = stored()
    assert before[:5] == [
        ("mend", "5 records mended; 2 have nothing to fix."),
        ("accept", "1 record accepted."),
        "mend",
        "accept",
        "mend",
    ]
    assert before[17:21] == [
        {"kind": "conversations", "mend": True},
        {"kind": "documents", "mend": False},
        {},
        {"mend": True},
    ]
    assert before[21:] == [[{"code": "html", "message": said, "mendable": True}]] * 5
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("curation"))
    assert stored() == now
    assert record_counts.counts(dataset) == tallied


@pytest.mark.django_db(transaction=True)
def test_why_a_job_does_not_run_is_read_from_its_line_by_the_upgrade(project):
    dataset = conversations(project, 1)
    lines = [
        ("queued", "Waiting for its turn: jobs of other teams run first", "turn"),
        ("queued", "The disk is full. This continues automatically when there is space.", "disk"),
        ("queued", "", ""),
        ("running", "The disk is full of records", ""),
        ("paused", "40 of 90 records", "person"),
        ("paused", "The budget is spent: 1.0000 of 1.0000. Raise the budget, then resume.", "budget"),
    ]
    common = {"project": project, "dataset": dataset}
    for status, line, _ in lines[:-1]:
        BulkAction.objects.create(**common, action="accept", status=status, line=line)
    Distillation.objects.create(**common, target=dataset, name="Style", template="", status="paused", line=lines[-1][1])
    MigrationExecutor(connection).migrate([("curation", "0013_selected_record")])
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("curation"))
    reasons = [job.pause_reason for rows in (BulkAction, Distillation) for job in rows.objects.order_by("pk")]
    assert reasons == [reason for _, _, reason in lines]
    assert Distillation.objects.get().over_budget
