"""The mapping page: how the file is read and what its columns are can be said otherwise before anything is kept."""

import io
import json
import re

import openpyxl
import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from curation.datasets import settings as dataset_settings
from curation.imports import discards, drafts, dry_run
from curation.models import Dataset, Import
from curation.tasks import import_file

TABLE = "Größe;Thema;Antwort lang;Nr\n" + "\n".join(
    f"ein Maß;Was ist {n}?;Das ist die {n} wie immer.;{n}" for n in range(3)
)


@pytest.fixture
def draft(project, alice) -> Import:
    dataset = dataset_settings.create(project, alice, "Fragen")
    return drafts.begin(dataset, alice, file=ContentFile(TABLE.encode("cp1252"), name="fragen.csv"), any_kind=True)


def address(job: Import) -> str:
    return reverse("curation:start_import", args=[job.project_id, job.pk])


def uses(page: str) -> list[str]:
    """Return what each column is chosen to be."""
    selects = re.findall(r'<select id="column-\d+".*?</select>', page, re.DOTALL)
    return [re.search(r'value="([^"]*)" selected', select)[1] for select in selects]


def test_another_kind_suggests_other_uses_and_keeps_id_and_group(draft, as_bob):
    sent = {"do": "kind", "kind": "conversations", "column.0": "group", "column.2": "fields", "column.3": "key"}
    answer = as_bob.post(address(draft), sent)
    assert answer.status_code == 200
    assert uses(answer.content.decode()) == ["group", "metadata", "role:user", "key"]
    labelled = as_bob.post(address(draft), sent | {"column.1": "labels"}).content.decode()
    assert uses(labelled) == ["group", "labels", "role:user", "key"]
    assert as_bob.post(address(draft), {"do": "kind", "kind": "poems"}).status_code == 422
    answer = as_bob.post(address(draft), {"do": "kind", "kind": "preferences"})
    assert answer.status_code == 200  # nobody did anything wrong: the page says what is still to be chosen
    assert "Choose the columns with the chosen and the rejected answer" in answer.content.decode()


def test_another_encoding_and_delimiter_give_other_columns(draft, as_bob):
    answer = as_bob.post(address(draft), {"do": "read", "kind": "documents", "encoding": "mac_roman", "delimiter": ";"})
    page = answer.content.decode()
    assert "Größe" not in page
    assert '<option value="mac_roman" selected>' in page
    draft.refresh_from_db()
    assert draft.source["encoding"] == "mac_roman"
    as_bob.post(address(draft), {"do": "read", "encoding": "cp1252", "delimiter": "|"})
    draft.refresh_from_db()
    assert draft.source["columns"] == ["Größe;Thema;Antwort lang;Nr"]
    as_bob.post(address(draft), {"do": "read", "encoding": "cp1252", "delimiter": ";"})
    draft.refresh_from_db()
    assert draft.source["columns"] == ["Größe", "Thema", "Antwort lang", "Nr"]
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
    """Return a function that starts an import on the page, into a dataset that is created for it."""

    def begin(name: str, text: str) -> Import:
        file = ContentFile(text.encode(), name=name)
        answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
        assert answer.status_code == 302
        return Import.objects.latest("pk")

    return begin


def test_a_draft_that_is_discarded_takes_the_dataset_along_that_was_made_for_it(begun, project, as_bob):
    job = begun("odd.csv", TABLE)
    data = as_bob.get(reverse("curation:data", args=[project.pk])).content.decode()
    assert "Import needs your input" in data
    as_bob.post(reverse("curation:import_move", args=[project.pk, job.pk, "cancel"]))
    assert not Dataset.objects.filter(pk=job.dataset_id).exists()


def test_a_dataset_that_was_there_before_stays_when_a_draft_is_discarded(draft, as_bob, alice):
    drafts.begin(draft.dataset, alice, file=ContentFile(TABLE.encode(), name="more.csv"))
    as_bob.post(reverse("curation:import_move", args=[draft.project_id, draft.pk, "cancel"]))
    assert Dataset.objects.filter(pk=draft.dataset_id).exists()
    data = as_bob.get(reverse("curation:data", args=[draft.project_id])).content.decode()
    assert "Import needs your input" in data  # the other one


def test_an_address_that_could_not_be_fetched_can_be_discarded(project, alice, as_bob):
    dataset = dataset_settings.create(project, alice, "Away")
    job = drafts.begin(dataset, alice, url="http://away.example/x.csv", any_kind=True)
    Import.objects.filter(pk=job.pk).update(status="failed", error="The name could not be found.")
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "No rows imported yet" in page
    assert 'id="discard"' in page
    as_bob.post(reverse("curation:import_move", args=[project.pk, job.pk, "cancel"]))
    assert not Dataset.objects.filter(pk=dataset.pk).exists()


def test_what_came_in_cannot_be_discarded(draft):
    draft.done, draft.status = 3, "failed"
    assert not discards.can_be_discarded(draft)


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
    assert "The text contains only blanks" in answer.content.decode()
    assert not Dataset.objects.exists()


# --- columns that are new since the last import ---------------------------------------------------

FIRST = "question,answer,notiz\nWas?,Das.,x\nWo?,Dort.,y\n"
SECOND = "question,answer,notiz,system,thema,atelier_status\nWer?,Die.,z,Sei kurz.,Leute,new\n"


@pytest.fixture
def questions(project, alice, as_bob) -> Dataset:
    """A dataset whose first import left out the column `notiz` on purpose."""
    dataset = dataset_settings.create(project, alice, "Fragen")
    job = drafts.begin(dataset, alice, file=ContentFile(FIRST.encode(), name="1.csv"), any_kind=True)
    chosen = {"column.0": "role:user", "column.1": "role:assistant", "column.2": "", "kind": "conversations"}
    assert as_bob.post(address(job), {"do": "start", **chosen}).status_code == 302
    return Dataset.objects.get()


def test_new_columns_are_named_and_get_uses_and_what_was_left_out_stays_out(questions, alice, as_bob):
    job = drafts.begin(questions, alice, file=ContentFile(SECOND.encode(), name="2.csv"))
    assert job.source["new_columns"] == ["system", "thema", "atelier_status"]
    page = as_bob.get(reverse("curation:import", args=[job.project_id, job.pk])).content.decode()
    assert uses(page) == ["role:user", "role:assistant", "", "role:system", "metadata", ""]
    assert "“system” (system message), “thema” (metadata), “atelier_status” (ignored)" in page
    assert page.count('<span class="tag">new</span>') == 3
    draft = dry_run.check(job, drafts.suggested(job)[0]).rows[0].draft
    assert draft.messages[0] == {"role": "system", "content": "Sei kurz."}
    assert draft.metadata == {"thema": "Leute"}


def test_what_is_said_of_new_columns_follows_what_is_chosen(questions, alice, as_bob):
    job = drafts.begin(questions, alice, file=ContentFile(SECOND.encode(), name="2.csv"))
    chosen = {f"column.{n}": use for n, use in enumerate(["role:user", "role:assistant", "", "", "metadata", ""])}
    page = as_bob.post(address(job), {"do": "preview", "kind": "conversations", **chosen}).content.decode()
    assert "“system” (ignored), “thema” (metadata)" in page
    wrong = as_bob.post(address(job), {"do": "preview", "kind": "conversations", **chosen, "column.3": "poem"})
    assert wrong.status_code == 422


def test_a_file_with_the_same_columns_has_no_new_ones(questions, alice, as_bob):
    job = drafts.begin(questions, alice, file=ContentFile(FIRST.encode(), name="3.csv"))
    page = as_bob.get(reverse("curation:import", args=[job.project_id, job.pk])).content.decode()
    assert uses(page) == ["role:user", "role:assistant", ""]
    assert "New since the last import" not in page


def test_a_role_that_is_taken_is_not_given_to_a_new_column(questions, alice):
    table = "question,answer,notiz,prompt\nWer?,Die.,z,Sag!\n"
    job = drafts.begin(questions, alice, file=ContentFile(table.encode(), name="4.csv"))
    mapping = drafts.suggested(job)[0]
    assert mapping.roles == {"question": "user", "answer": "assistant"}
    assert mapping.metadata == ["prompt"]


# --- the sheets of a workbook ---------------------------------------------------------------------


@pytest.fixture
def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Fragen"
    book.active.append(["question", "answer"])
    book.active.append(["Why?", "Because."])
    other = book.create_sheet("Texte")
    other.append(["text"])
    for n in range(3):
        other.append([f"A text of some length, number {n}, as a document has it."])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_another_sheet_is_chosen_on_the_page(project, as_bob, as_ann, workbook):
    file = SimpleUploadedFile("book.xlsx", workbook)
    as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
    job = Import.objects.get()
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "The workbook has 2 sheets (Fragen, Texte)" in page
    assert '<option value="Fragen" selected>' in page
    page = as_bob.post(address(job), {"do": "read", "sheet": "Texte"}).content.decode()
    assert '<option value="Texte" selected>' in page
    assert uses(page) == ["fields"]
    refused = as_bob.post(address(job), {"do": "read", "sheet": "Bilder"})
    assert refused.status_code == 422
    assert "The workbook has no sheet “Bilder”" in refused.content.decode()
    assert as_ann.post(address(job), {"do": "read", "sheet": "Fragen"}).status_code == 403
    job.refresh_from_db()
    assert (job.source["sheet"], job.source["columns"]) == ("Texte", ["text"])


def test_the_sheet_is_named_by_rest(project, alice, bob_api, workbook):
    dataset = dataset_settings.create(project, alice, "Texts", "documents")
    root = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports/file"
    answer = bob_api.post(root, {"file": SimpleUploadedFile("book.xlsx", workbook), "sheet": "Texte"})
    assert answer.status_code == 202, answer.content
    assert answer.json()["source"]["sheets"] == ["Fragen", "Texte"]
    assert answer.json()["mapping"]["fields"] == ["text"]
    refused = bob_api.post(root, {"file": SimpleUploadedFile("book.xlsx", workbook), "sheet": "Bilder"})
    assert refused.status_code in (400, 422)
    assert "only Fragen, Texte" in refused.content.decode()


def test_the_sheet_is_named_by_command(project, tmp_path, workbook, capsys):
    path = tmp_path / "book.xlsx"
    path.write_bytes(workbook)
    call_command("import_records", str(path), "--sheet", "Texte", "--no-wait", "--dataset", "Texts")
    assert "“Texte” is read" in capsys.readouterr().out
    import_file(Import.objects.get().pk)
    assert Dataset.objects.get(name="Texts").records.count() == 3
    call_command("import_records", str(path), "--no-wait", "--json", "--dataset", "Questions")
    assert json.loads(capsys.readouterr().out)["status"] == "queued"


def test_several_files_are_called_so_and_not_an_archive(project, as_bob):
    files = [ContentFile(b'{"text": "Lock the gate at nine."}\n', name=name) for name in ("a.jsonl", "b.jsonl")]
    as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": files, "dataset": "new"})
    page = as_bob.get(reverse("curation:import", args=[project.pk, Import.objects.latest("pk").pk])).content.decode()
    assert "JSON lines, several files" in page
    assert "zip archive" not in page


def test_a_folder_of_several_files_is_no_archive_either(project, as_bob, tmp_path, settings):
    settings.IMPORT_FOLDERS = [str(tmp_path)]
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b'{"text": "Lock the gate at nine."}\n')
    as_bob.post(reverse("curation:new_import", args=[project.pk]), {"folder_path": str(tmp_path), "dataset": "new"})
    job = Import.objects.latest("pk")
    import_file(job.pk)
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "JSON lines, several files" in page
