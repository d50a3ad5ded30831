"""The project's home: the loop as steps, each with what is due for whoever looks."""

from django.urls import reverse

from curation.models import Dataset, Record


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
