"""Numbers out of range: no way to store them, and rows of before that hold some are healed by the migration."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import DataError, IntegrityError, connection, transaction

from atelier.database.ranges import Range
from curation.models import Dataset, Distillation, Queue
from inference.models import Endpoint
from tests.curation.teacher import documents, endpoint


@pytest.fixture
def job(project):
    source, target = documents(project, 1), Dataset.objects.create(project=project, name="Answers")
    teacher = endpoint(project, "http://127.0.0.1:9/v1")
    teacher.price_in = teacher.price_out = Decimal(1)
    teacher.save()
    return Distillation.objects.create(
        project=project, name="Desk", dataset=source, target=target, teacher=teacher, line="Working"
    )


HUGE = [
    100_000_000,
    99_999_999.99999,
    1e308,
    10**30,
    -1,
    0,
    0.00001,
    "NaN",
    "Infinity",
    "1e400",
    "9" * 5000,
    True,
    "²",
    " 1 x",
]


@pytest.mark.parametrize("budget", HUGE, ids=lambda value: str(value)[:20])
def test_a_budget_that_cannot_be_kept_is_refused_and_the_project_goes_on(project, job, bob_api, as_bob, budget):
    root = f"/api/projects/{project.pk}/distillations"
    answer = bob_api.post(f"{root}/{job.pk}/budget", {"budget": budget}, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")
    assert bob_api.get(root).json()[0]["budget"] is None
    for page in ("distil/", f"distil/{job.pk}", f"distil/{job.pk}/ledger"):
        assert as_bob.get(f"/projects/{project.pk}/{page}").status_code == 200


def test_the_largest_budget_is_kept_and_read(project, job, bob_api):
    root = f"/api/projects/{project.pk}/distillations"
    for given in ("99999999.9999", "0.0001", None):
        assert (
            bob_api.post(f"{root}/{job.pk}/budget", {"budget": given}, content_type="application/json").status_code
            == 200
        )
        assert bob_api.get(f"{root}/{job.pk}").json()["budget"] == given


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Distillation, {"budget": Decimal(100_000_000)}), (Distillation, {"budget": Decimal(-1)}), (Distillation, {"concurrency": 0}),
        (Distillation, {"concurrency": 65}), (Distillation, {"limit": 0}), (Distillation, {"cost": Decimal(-1)}),
        (Endpoint, {"price_in": Decimal(1_000_000)}), (Endpoint, {"price_out": Decimal(-1)}), (Queue, {"overlap": 21}), (Queue, {"overlap": 0}),
        (Queue, {"lock_minutes": 1441}), (Queue, {"honeypot_rate": 0.6}), (Queue, {"tolerance": 0.1}), (Dataset, {"seed": 2**31}),
    ],
    ids=str,
)  # fmt: skip
def test_the_table_itself_refuses_it(project, job, model, change):
    Queue.objects.create(dataset=job.dataset)
    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        model.objects.update(**change)
    assert all(getattr(row, name) != value for row in model.objects.all() for name, value in change.items())


@pytest.mark.django_db(transaction=True)
def test_a_row_of_before_is_healed_by_the_migration(project, job):
    """SQLite kept a hundred million where ten digits and two fit; PostgreSQL kept only what was below 0."""
    bad = 100_000_000 if connection.vendor == "sqlite" else -1
    Queue.objects.create(dataset=job.dataset, overlap=3)
    call_command("migrate", "inference", "0002", verbosity=0)
    call_command("migrate", "curation", "0008", verbosity=0)
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE curation_distillation SET budget = %s, concurrency = 900", [bad])
            cursor.execute("UPDATE curation_queue SET honeypot_rate = 0.9")
            cursor.execute("UPDATE inference_endpoint SET price_in = %s", [bad if bad < 0 else 10_000_000])
    finally:
        call_command("migrate", verbosity=0)
    healed = Distillation.objects.get(pk=job.pk)
    assert (healed.budget, healed.concurrency) == (None, 64)
    assert healed.line.startswith("Working")
    assert "budget was out of range and was removed." in healed.line
    assert Queue.objects.get().honeypot_rate == 0.5
    assert Queue.objects.get().overlap == 3
    assert Endpoint.objects.get().price_in == (0 if bad < 0 else Decimal("999999.9999"))
    assert job.dataset.records.count() == 1


def test_a_row_whose_line_is_full_says_it_all_the_same(project, job):
    Distillation.objects.update(line="x" * 300, budget=6)
    assert Range("curation_distillation", "budget", 0, 5, is_nulled=True, line=300).heal(connection) == 1
    job.refresh_from_db()
    assert job.budget is None
    assert job.line.endswith("x Its budget was out of range and was removed.")
    assert len(job.line) == 300
    assert Range("curation_distillation", "budget", 0, 5, is_nulled=True, line=300).heal(connection) == 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's columns hold numbers alone.")
@pytest.mark.parametrize("stored", ["NaN", "Infinity", "1e400", "-1e400", "", "many", b"7"])
def test_what_is_no_number_is_healed_too(project, job, stored):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute("UPDATE curation_distillation SET budget = %s, cost = %s", [stored, stored])
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    assert Range("curation_distillation", "budget", 0, 5, is_nulled=True).heal(connection) == 1
    assert Range("curation_distillation", "cost", 0, 5).heal(connection) == 1
    job.refresh_from_db()
    assert job.budget is None
    assert 0 <= job.cost <= 5
