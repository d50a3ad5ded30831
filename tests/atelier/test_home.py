"""The project's home: the loop as steps, each with what is due for whoever looks."""

from django.urls import reverse

from atelier import registry
from atelier.accounts.models import Project
from curation.models import Check, Dataset, Export, Import, Record, Version


def test_a_project_without_data_begins_with_an_import_for_those_who_may_import(project, as_bob, as_vic):
    address = reverse("project", args=[project.pk])
    assert "Import a file" in as_bob.get(address).content.decode()
    assert "Import a file" not in as_vic.get(address).content.decode()


def test_an_annotator_is_offered_the_review_and_a_viewer_nothing(project, as_ann, as_vic):
    chats = Dataset.objects.create(project=project, name="Chats")
    Record.objects.create(dataset=chats, messages=[{"role": "user", "content": "Hi"}], split="train")
    address, review = reverse("project", args=[project.pk]), reverse("curation:review", args=[project.pk])
    seen = {name: client.get(address) for name, client in {"ann": as_ann, "vic": as_vic}.items()}
    assert seen["ann"].context["following"]["state"].url == review
    assert seen["vic"].context["following"] is None


def test_the_rail_counts_of_each_step_what_is_the_projects_own(project, alice):
    chats = Dataset.objects.create(project=project, name="Chats")
    Record.objects.create(dataset=chats, messages=[{"role": "user", "content": "Hi"}], split="train")
    other = Project.objects.create(team=project.team, name="Other", created_by=alice)
    for owner, number, status in ((project, 1, "done"), (project, 2, "failed"), (other, 3, "done")):
        Version.objects.create(project=owner, dataset=chats, number=number, status=status)
    counts = registry.counts(project)
    assert {key: count for key, count in counts.items() if count} == {"data": 1, "review": 1, "versions": 1}
    assert [step.key for step in registry.steps() if step.key not in counts] == []


def test_the_strip_shows_live_jobs_of_every_kind_the_oldest_first_by_one_query(
    project, alice, django_assert_num_queries
):
    chats = Dataset.objects.create(project=project, name="Chats")
    other = Project.objects.create(team=project.team, name="Other", created_by=alice)
    with django_assert_num_queries(1):
        assert registry.live_jobs(project) == []
    first = Import.objects.create(project=project, dataset=chats, status="running")
    second = Check.objects.create(project=project, dataset=chats, status="queued")
    third = Import.objects.create(project=project, dataset=chats, status="paused")
    Export.objects.create(project=project, dataset=chats, status="done")
    Import.objects.create(project=other, dataset=chats, status="running")
    assert registry.live_jobs(project) == [first, second, third]


def test_the_strip_moves_only_for_what_runs(project, as_alice):
    chats = Dataset.objects.create(project=project, name="Chats")
    strip = reverse("running", args=[project.pk])
    waiting = Import.objects.create(project=project, dataset=chats, status="paused")
    assert '<progress max="100" value="0"' in as_alice.get(strip).content.decode()
    Import.objects.filter(pk=waiting.pk).update(status="running")
    assert '<progress max="100" aria-label' in as_alice.get(strip).content.decode()
