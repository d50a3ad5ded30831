"""Long jobs of strangers hold all slots that they can get: another team's small job does not wait for them."""

import time

import pytest

from tests.speed import patient
from tests.system.conftest import DISTIL, DOCUMENTS, chat_file, count, in_the_middle, new_project, start_import
from tests.system.installation import Installation, running
from tests.system.processes import wait_for

pytestmark = pytest.mark.slow
ROWS = 400
STRANGERS = """
from atelier.accounts.models import Project, Team
from curation.models import Dataset
project = Project.objects.create(team=Team.objects.create(name=name), name=name)
result = [Dataset.objects.create(project=project, name=str(n), kind="documents").pk for n in range(datasets)]
"""
WAITED = """
from curation.models import Import
job = Import.objects.get(pk=pk)
result = (job.started_at - (job.queued_at or job.created_at)).total_seconds()
"""


def begin(installation: Installation, url: str, name: str, count: int, at_work: bool = True) -> list[int]:
    """Start so many distillations of a new team; when they run, the first row of each is answered."""
    jobs = []
    for dataset in installation.run(STRANGERS, name=name, datasets=count):
        installation.run(DOCUMENTS, dataset=dataset, rows=ROWS)
        jobs.append(installation.run(DISTIL.replace('"Answers"', 'f"Answers {dataset.pk}"').replace('"Fake"', 'f"Fake {dataset.pk}"'),
                                     dataset=dataset, url=url, concurrency=2))  # fmt: skip
    for pk in jobs if at_work else []:
        in_the_middle(installation, "curation_distillation", pk, 1, ROWS)
    return jobs


def test_a_small_import_runs_within_ten_seconds_and_the_long_jobs_go_on(tmp_path, teacher):
    few = chat_file(tmp_path / "rows.jsonl", 5)
    master = teacher(0.5)
    with running(tmp_path / "data", "redis") as installation:
        installation.more["worker"] = ["-c", "3"]
        installation.start("worker")
        _, dataset = new_project(installation)
        jobs = begin(installation, master.url, "Strangers", 2)
        others = begin(installation, master.url, "Others", 1)
        for _ in range(2):
            pk = start_import(installation, dataset, few)
            assert installation.wait_over("curation_import", pk, 60)["status"] == "done"
            waited = installation.run(WAITED, pk=pk)
            assert waited < patient(10), f"the small import waited {waited:.1f} s"
        rows = [installation.row("curation_distillation", pk) for pk in jobs]
        assert installation.row("curation_distillation", others[0])["status"] == "running", "who has one slot keeps it"
        assert [row["interruptions"] for row in rows] == [0, 0]
        assert rows[0]["status"] == "running", "the older of the two keeps its slot"
        wait_for(lambda: installation.row("curation_distillation", jobs[1])["status"] == "running", 30, "the newer one")
        reached = {pk: installation.row("curation_distillation", pk)["done"] for pk in jobs}
        for pk in jobs:
            in_the_middle(installation, "curation_distillation", pk, reached[pk] + 1, ROWS)
        ledger = count(installation, "(SELECT DISTINCT record_id FROM curation_generation WHERE outcome = 'ok')")
        asked = master.asked()
        assert len(asked) - ledger <= 2 * 2 + 2 * 2 + 4, "no more was paid twice than was in flight"


def test_answers_that_never_come_keep_no_other_team_waiting(tmp_path, teacher):
    """What is in flight is paid for, so it is waited for: the slot that is left for other teams needs nobody's patience."""
    few = chat_file(tmp_path / "rows.jsonl", 5)
    master = teacher(600)
    with running(tmp_path / "data", "redis") as installation:
        installation.more["worker"] = ["-c", "3"]
        installation.start("worker")
        _, dataset = new_project(installation)
        jobs = begin(installation, master.url, "Strangers", 3, at_work=False)
        statuses = lambda: sorted(installation.row("curation_distillation", pk)["status"] for pk in jobs)  # noqa: E731
        wait_for(lambda: statuses() == ["queued", "running", "running"], 60, "two of three at work")
        time.sleep(3)  # the teacher notes a call when it answers, so it cannot tell what is in flight
        pk = start_import(installation, dataset, few)
        assert installation.wait_over("curation_import", pk, 60)["status"] == "done"
        waited = installation.run(WAITED, pk=pk)
        assert waited < patient(10), f"the small import waited {waited:.1f} s"
        assert statuses() == ["queued", "running", "running"], "nobody takes the slot that is kept for others"
