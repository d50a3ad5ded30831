"""Who did what in a dataset: single changes and bulk actions in one list."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from atelier.accounts.models import APIKey
from curation import bulk
from curation.datasets import activity, settings
from curation.models import Dataset, Record
from curation.records import changes, derived
from curation.search.filters import Filters
from curation.tasks import bulk as bulk_task


@pytest.fixture
def chats(project, alice, ann, bob) -> Dataset:
    dataset = settings.create(project, alice, "Chats")
    for n in range(3):
        turns = [{"role": "user", "content": f"<b>{n}</b>"}, {"role": "assistant", "content": "yes"}]
        derived.complete(Record(dataset=dataset, messages=turns)).save()
    for record in dataset.records.select_related("dataset"):
        changes.review(record, ann, "accept")
    bulk_task(bulk.begin(dataset, bob, "label", Filters(), options={"labels": ["x"]}).pk)
    changes.edit(dataset.records.select_related("dataset").first(), bob, {"messages.1": "no"}, 3)
    return dataset


def test_a_bulk_action_is_one_line_and_pages_show_each_once(chats):
    seen, after = [], ""
    while True:
        page = activity.page(chats, after=after, size=2)
        seen += [act.words.split(" record")[0] for act in page.acts]
        if page.after is None:
            break
        after = page.after
    assert seen == ["edited", "Label 3", "accepted", "accepted", "accepted"]


def test_it_is_narrowed_by_person_and_action(chats):
    assert {act.actor for act in activity.page(chats, person="ann").acts} == {"ann"}
    assert [act.bulk is not None for act in activity.page(chats, action="label").acts] == [True]
    for bad in ({"action": "publish"}, {"after": "x"}, {"after": "1~" + "9" * 30}):
        with pytest.raises(ValidationError):
            activity.page(chats, **bad)


def test_the_page_and_its_rest_are_for_the_team(
    chats, team, client, as_alice, as_bob, as_ann, as_vic, as_charlie, vic, charlie
):
    url = reverse("curation:activity", args=[chats.project_id, chats.pk])
    assert [who.get(url).status_code for who in (as_alice, as_bob, as_ann, as_vic, as_charlie)] == [200] * 4 + [404]
    page = as_bob.get(url + "?after=wrong").content.decode()
    assert "<b>0</b>" not in page
    assert "Undo" in page
    assert "Undo</button>" not in as_vic.get(url).content.decode()
    rest = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/activity?limit=1"
    key = APIKey.issue(team, vic, "test")[1]
    found = client.get(rest, headers={"Authorization": f"Bearer {key}"}).json()
    assert (found["items"][0]["action"], found["items"][0]["actor"], bool(found["next"])) == ("edit", "bob", True)
    strange = APIKey.issue(charlie.teams.get(), charlie, "test")[1]
    assert client.get(rest, headers={"Authorization": f"Bearer {strange}"}).status_code == 404


def test_every_way_to_change_a_record_is_listed(chats, alice, tmp_path):
    """Each writer of history names the dataset, for the list looks at nothing else."""
    from curation.models import BulkAction, Change

    job = bulk.begin(chats, alice, "assign", Filters(), options={"users": ["ann"]})
    other = settings.create(chats.project, alice, "Copies")
    for one in (job, bulk.begin(chats, alice, "copy", Filters(), options={"dataset": other.pk})):
        bulk_task(one.pk)
    assert BulkAction.objects.filter(status="done").count() == 3
    assert not Change.objects.filter(dataset=None).exists()
    assert set(Change.objects.filter(bulk__action="copy").values_list("dataset", flat=True)) == {other.pk}
    assert set(Change.objects.exclude(bulk__action="copy").values_list("dataset", flat=True)) == {chats.pk}


def test_the_list_walks_an_index_of_its_own(chats):
    from django.db import connection

    from curation.models import Change

    rows = Change.objects.filter(dataset=chats, bulk=None).order_by("-pk")[:51]
    if connection.vendor == "sqlite":
        assert "USING INDEX change_listed" in rows.explain()
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
        assert "change_listed" in rows.explain()
