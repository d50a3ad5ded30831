"""The pages of bulk actions: forms, previews, undo, and who may open them."""

import pytest
from django.urls import reverse

from curation.datasets import settings
from curation.forms.bulk import FORMS
from curation.models import BulkAction, Dataset, Record
from curation.records import derived

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def chats(project, alice) -> Dataset:
    dataset = settings.create(project, alice, "Chats")
    for n in range(3):
        make(dataset, f"number {n}")
    return dataset


def make(dataset: Dataset, text: str, **more) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": text}], **more
    )
    derived.complete(record).save()
    return record


def form_url(dataset: Dataset, action: str, query: str = "") -> str:
    return reverse("curation:bulk_form", args=[dataset.project_id, dataset.pk, action]) + query


def change_url(dataset: Dataset, query: str = "") -> str:
    return reverse("curation:change_records", args=[dataset.project_id, dataset.pk]) + query


@pytest.mark.parametrize("action", list(FORMS))
def test_each_form_opens_for_its_role_and_nobody_else(chats, as_alice, as_bob, as_ann, as_vic, as_charlie, action):
    small = action in ("label", "unlabel")
    seen = [who.get(form_url(chats, action)).status_code for who in (as_alice, as_bob, as_ann, as_vic, as_charlie)]
    assert seen == [200, 200, 200 if small else 403, 403, 404]


def test_an_action_without_a_form_has_no_page(chats, as_bob):
    assert as_bob.get(form_url(chats, "accept")).status_code == 404
    assert as_bob.get(form_url(chats, "publish")).status_code == 404


def test_a_menu_entry_leads_to_its_form_with_the_filters_or_the_ticked(chats, as_bob):
    answer = as_bob.post(change_url(chats, "?status=new"), {"action": "replace", "everything": "1"})
    assert answer["Location"] == form_url(chats, "replace", "?status=new")
    answer = as_bob.post(change_url(chats, "?status=new"), {"action": "mask", "ids": ["2", "3"]})
    assert answer["Location"] == form_url(chats, "mask", "?ids=2&ids=3&list=status%3Dnew")


def test_a_preview_shows_words_and_numbers_and_changes_nothing(chats, as_bob):
    make(chats, HOSTILE)
    page = as_bob.get(
        form_url(chats, "replace", "?o-find=number&o-replace=figure&o-pieces=all&o-case=on")
    ).content.decode()
    assert "3 of 4 records would change." in page
    assert "Replace in all matching records" in page
    first = chats.records.order_by("pk").first()
    by_hand = as_bob.get(form_url(chats, "replace", f"?ids={first.pk}&o-find=number&o-replace=figure&o-pieces=all"))
    assert "Replace in the selected records" in by_hand.content.decode()
    assert "<del>number</del><ins>figure</ins>" in page
    page = as_bob.get(form_url(chats, "replace", "?o-find=alert&o-replace=<img>&o-pieces=all")).content.decode()
    assert HOSTILE not in page
    assert "<ins>&lt;img&gt;</ins>" in page
    assert not chats.bulk_actions.exists()


def test_a_wrong_pattern_is_told_in_the_form(chats, as_bob):
    answer = as_bob.get(form_url(chats, "replace", "?o-find=(&o-regex=on&o-pieces=all"))
    assert answer.status_code == 422
    assert "a regular expression" in answer.content.decode()


def test_the_forms_say_what_people_call_things(chats, as_bob):
    page = as_bob.get(form_url(chats, "fix")).content.decode()
    assert "Personal data: e-mail address" in page
    assert "Pii email" not in page
    assert "found by “number”" in as_bob.get(form_url(chats, "label", "?q=number")).content.decode()


def test_a_copy_goes_nowhere_that_was_not_chosen(chats, project, alice, as_bob):
    for name in ("Aside", "Beyond"):
        settings.create(project, alice, name)
    page = as_bob.get(form_url(chats, "copy")).content.decode()
    assert '<option value="" selected>Choose a dataset</option>' in page
    wish = {"action": "copy", "everything": "1", "sure": "1", "o-dataset": "", "o-status": "new"}
    assert "Choose a dataset to copy into." in as_bob.post(change_url(chats), wish, follow=True).content.decode()
    assert not BulkAction.objects.exists()


def test_a_title_counts_as_people_write(chats):
    titles = [BulkAction(dataset=chats, action="label", total=total).title for total in (0, 1, 1240)]
    assert titles == ["Label records of Chats", "Label 1 record of Chats", "Label 1,240 records of Chats"]


def test_the_page_of_an_action_counts_records_and_promises_only_what_can_be(chats, as_bob):
    more = {"dataset": chats, "project": chats.project, "status": "done"}
    job = BulkAction.objects.create(action="accept", done=1240, total=1240, changed=3, **more)
    page = as_bob.get(reverse("curation:bulk", args=[chats.project_id, job.pk])).content.decode()
    assert "1,240 of 1,240 records" in page
    assert ". You can undo this here." in page
    job = BulkAction.objects.create(action="accept", done=3, total=3, changed=0, **more)
    page = as_bob.get(reverse("curation:bulk", args=[chats.project_id, job.pk])).content.decode()
    assert "You can undo this here" not in page


def test_only_labels_that_records_have_are_offered_to_be_taken_away(chats, as_bob):
    make(chats, "number 9", labels=["kept"])
    Dataset.objects.filter(pk=chats.pk).update(labels=["kept", "typo"])
    assert "typo" in as_bob.get(form_url(chats, "label")).content.decode()
    page = as_bob.get(form_url(chats, "unlabel")).content.decode()
    assert ("kept" in page, "typo" in page) == (True, False)


def test_people_come_back_to_the_list_in_which_they_ticked(chats, as_bob):
    first = chats.records.order_by("pk").first()
    back = reverse("curation:dataset", args=[chats.project_id, chats.pk]) + "?q=number&sort=oldest"
    answer = as_bob.post(change_url(chats, "?q=number&sort=oldest"), {"action": "accept", "ids": [first.pk]})
    assert answer["Location"] == back
    toast = as_bob.get(back).content.decode()
    undo = reverse("curation:undo_bulk", args=[chats.project_id, BulkAction.objects.get().pk])
    undo += "?list=q%3Dnumber%26sort%3Doldest"
    assert undo in toast
    assert as_bob.post(undo)["Location"] == back
    form = as_bob.post(change_url(chats, "?q=number&sort=oldest"), {"action": "label", "ids": [first.pk]})["Location"]
    page = as_bob.get(form).content.decode()
    assert "1</strong> record that you chose" in page
    assert f'href="{back.replace("&", "&amp;")}"' in page
    wish = {"action": "label", "everything": "1", "sure": "1", "o-others": "kept"}
    assert as_bob.post(change_url(chats, "?" + form.partition("?")[2]), wish)["Location"] == back
    assert list(chats.records.exclude(labels=[]).values_list("pk", flat=True)) == [first.pk]


def test_what_was_previewed_is_done_and_undone(chats, as_bob):
    sure = {
        "action": "replace",
        "everything": "1",
        "sure": "1",
        "o-find": "number 1",
        "o-replace": "ONE",
        "o-pieces": "assistant",
    }
    page = as_bob.post(change_url(chats), sure, follow=True).content.decode()
    assert "1 record changed; 2 do not contain the text." in page
    job = BulkAction.objects.get()
    assert job.options["find"] == "number 1"
    assert chats.records.filter(messages__1__content="ONE").count() == 1
    as_bob.post(reverse("curation:undo_bulk", args=[chats.project_id, job.pk]))
    assert not chats.records.filter(messages__1__content="ONE").exists()


def test_a_role_is_asked_for_when_it_is_done_too(chats, as_ann, as_vic, as_charlie):
    wish = {"action": "replace", "everything": "1", "sure": "1", "o-find": "number", "o-pieces": "all"}
    assert [who.post(change_url(chats), wish).status_code for who in (as_ann, as_vic, as_charlie)] == [403, 403, 404]
    assert not BulkAction.objects.exists()
    wish = {"action": "label", "everything": "1", "sure": "1", "o-others": "good, kept"}
    assert as_ann.post(change_url(chats), wish).status_code == 302
    assert chats.records.first().labels == ["good", "kept"]


def test_counting_goes_on_where_the_preview_ended(chats, as_bob, as_ann, as_charlie):
    first = chats.records.order_by("pk").first()
    url = reverse("curation:bulk_count", args=[chats.project_id, chats.pk, "replace"])
    query = f"?o-find=number&o-pieces=all&after={first.pk}&looked=1&changing=1"
    assert "3 of 3 records would change." in as_bob.get(url + query).content.decode()
    assert as_bob.get(url).status_code == 404
    assert (as_ann.get(url + query).status_code, as_charlie.get(url + query).status_code) == (403, 404)


def test_records_are_assigned_and_taken_back(chats, as_bob, ann, bob):
    wish = {"action": "assign", "everything": "1", "sure": "1", "o-users": ["ann", "bob"], "o-evenly": "1"}
    page = as_bob.post(change_url(chats), wish, follow=True).content.decode()
    assert "3 records assigned." in page
    from curation.models import Assignment

    assert sorted(Assignment.objects.values_list("user__username", flat=True))[0] == "ann"
    assert Assignment.objects.count() == 3
    record = chats.records.first()
    assert record.changes.get().after["assigned"]
    as_bob.post(reverse("curation:undo_bulk", args=[chats.project_id, BulkAction.objects.get().pk]))
    assert not Assignment.objects.exists()
    wish["o-users"] = ["charlie"]
    assert as_bob.post(change_url(chats), wish)["Location"].startswith(form_url(chats, "assign"))


def test_copies_are_made_from_the_page(project, chats, alice, as_bob):
    other = settings.create(project, alice, "Other")
    wish = {"action": "copy", "everything": "1", "sure": "1", "o-dataset": other.pk, "o-status": "new"}
    assert "3 records copied." in as_bob.post(change_url(chats), wish, follow=True).content.decode()
    assert other.records.count() == 3


def test_what_could_not_be_changed_is_listed_on_the_page_of_the_action(chats, as_vic, bob):
    job = BulkAction.objects.create(
        project=chats.project, dataset=chats, created_by=bob, action="replace", status="done", left=1,
        options={"find": HOSTILE},
    )  # fmt: skip
    job.failures.create(record=chats.records.first(), reason="The pattern takes too long here.")
    page = as_vic.get(reverse("curation:bulk", args=[chats.project_id, job.pk])).content.decode()
    assert "The pattern takes too long here." in page
    assert HOSTILE not in page
