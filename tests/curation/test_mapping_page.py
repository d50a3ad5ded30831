"""The mapping page: how the file is read and what its columns are can be said otherwise before anything is kept."""

import re

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from curation import datasets, importing
from curation.models import Dataset, Import

TABLE = "Größe;Frage;Antwort lang;Nr\n" + "\n".join(
    f"ein Maß;Was ist {n}?;Das ist die {n} wie immer.;{n}" for n in range(3)
)


@pytest.fixture
def draft(project, alice) -> Import:
    dataset = datasets.create(project, alice, "Fragen")
    return importing.begin(dataset, alice, file=ContentFile(TABLE.encode("cp1252"), name="fragen.csv"), any_kind=True)


def address(job: Import) -> str:
    return reverse("curation:start_import", args=[job.project_id, job.pk])


def uses(page: str) -> list[str]:
    """What each column is chosen to be."""
    selects = re.findall(r'<select id="column-\d+".*?</select>', page, re.DOTALL)
    return [re.search(r'value="([^"]*)" selected', select)[1] for select in selects]


def test_another_kind_suggests_other_uses_and_keeps_id_and_group(draft, as_bob):
    sent = {"do": "kind", "kind": "conversations", "column.0": "group", "column.2": "fields", "column.3": "key"}
    answer = as_bob.post(address(draft), sent)
    assert answer.status_code == 200
    assert uses(answer.content.decode()) == ["group", "metadata", "role:user", "key"]
    assert as_bob.post(address(draft), {"do": "kind", "kind": "poems"}).status_code == 422
    answer = as_bob.post(address(draft), {"do": "kind", "kind": "preferences"})
    assert answer.status_code == 200  # nobody did anything wrong: the page says what is still to be chosen
    assert "Choose the column with the better answer" in answer.content.decode()


def test_another_encoding_and_delimiter_give_other_columns(draft, as_bob):
    answer = as_bob.post(address(draft), {"do": "read", "kind": "documents", "encoding": "mac_roman", "delimiter": ";"})
    page = answer.content.decode()
    assert "Größe" not in page
    assert '<option value="mac_roman" selected>' in page
    draft.refresh_from_db()
    assert draft.source["encoding"] == "mac_roman"
    as_bob.post(address(draft), {"do": "read", "encoding": "cp1252", "delimiter": "|"})
    draft.refresh_from_db()
    assert draft.source["columns"] == ["Größe;Frage;Antwort lang;Nr"]
    as_bob.post(address(draft), {"do": "read", "encoding": "cp1252", "delimiter": ";"})
    draft.refresh_from_db()
    assert draft.source["columns"] == ["Größe", "Frage", "Antwort lang", "Nr"]
    assert draft.source["any_kind"] is True


def test_what_is_no_encoding_is_refused_and_nothing_changes(draft, as_bob, as_ann):
    answer = as_bob.post(address(draft), {"do": "read", "encoding": "rot13", "delimiter": ";", "kind": "documents"})
    assert answer.status_code == 422
    assert "cannot be read as" in answer.content.decode()
    draft.refresh_from_db()
    assert (draft.source["encoding"], draft.status) == ("cp1252", "draft")
    assert as_ann.post(address(draft), {"do": "read", "encoding": "utf-8"}).status_code == 403


def test_id_and_group_stand_beside_each_row(draft, as_bob):
    sent = {"do": "preview", "kind": "documents", "column.0": "group", "column.2": "fields", "column.3": "key"}
    page = as_bob.post(address(draft), sent).content.decode()
    assert '<span class="muted">group</span> ein Maß' in page
    assert '<span class="muted">id</span> 2' in page
    assert Dataset.objects.get().records.count() == 0


@pytest.fixture
def begun(project, as_bob):
    """Begins an import on the page, into a dataset that is made for it."""

    def begin(name: str, text: str) -> Import:
        file = ContentFile(text.encode(), name=name)
        answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
        assert answer.status_code == 302
        return Import.objects.latest("pk")

    return begin


def test_a_draft_that_is_discarded_takes_the_dataset_along_that_was_made_for_it(begun, project, as_bob):
    job = begun("odd.csv", TABLE)
    data = as_bob.get(reverse("curation:data", args=[project.pk])).content.decode()
    assert "Its import waits for you" in data
    as_bob.post(reverse("curation:import_move", args=[project.pk, job.pk, "cancel"]))
    assert not Dataset.objects.filter(pk=job.dataset_id).exists()


def test_a_dataset_that_was_there_before_stays_when_a_draft_is_discarded(draft, as_bob, alice):
    importing.begin(draft.dataset, alice, file=ContentFile(TABLE.encode(), name="more.csv"))
    as_bob.post(reverse("curation:import_move", args=[draft.project_id, draft.pk, "cancel"]))
    assert Dataset.objects.filter(pk=draft.dataset_id).exists()
    data = as_bob.get(reverse("curation:data", args=[draft.project_id])).content.decode()
    assert "Its import waits for you" in data  # the other one


def test_an_address_that_could_not_be_fetched_can_be_discarded(project, alice, as_bob):
    dataset = datasets.create(project, alice, "Away")
    job = importing.begin(dataset, alice, url="http://away.example/x.csv", any_kind=True)
    Import.objects.filter(pk=job.pk).update(status="failed", error="The name could not be found.")
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "Nothing came in so far" in page
    assert 'id="discard"' in page
    as_bob.post(reverse("curation:import_move", args=[project.pk, job.pk, "cancel"]))
    assert not Dataset.objects.filter(pk=dataset.pk).exists()


def test_what_came_in_cannot_be_discarded(draft):
    draft.done, draft.status = 3, "failed"
    assert not importing.can_be_discarded(draft)


def test_a_file_without_a_readable_row_offers_no_start(begun, project, as_bob):
    job = begun("bad.jsonl", '{"a": 1\nnope\n')
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "None of the first rows could be read" in page
    assert "Choose at least one column" not in page
    assert 'id="start"' not in page
    assert 'id="discard"' in page


def test_blanks_are_no_pasted_text(project, as_bob):
    answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"text": " \n ", "dataset": "new"})
    assert answer.status_code == 422
    assert "There are only blanks in the text" in answer.content.decode()
    assert not Dataset.objects.exists()
