"""Files that Label Studio and Argilla wrote (tests/fixtures/README.md says how), small ones made here, and the move itself."""

import json
from pathlib import Path

from django.core.files import File
from django.core.files.base import ContentFile

from curation.imports import drafts
from curation.imports.annotated import plan
from curation.models import Dataset, Import
from curation.tasks import import_file

FIXTURES = Path(__file__).parents[3] / "fixtures"
LS = FIXTURES / "label_studio"
ARGILLA = FIXTURES / "argilla"


def begun(dataset: Dataset, path: Path | ContentFile, **wishes) -> Import:
    file = path if isinstance(path, ContentFile) else File(path.open("rb"), name=path.name)
    job = drafts.begin(dataset, None, file=file, name=file.name, any_kind=not dataset.records.exists())
    plan.configure(job, **wishes)
    job.save()
    drafts.confirm_unseen(job, None)
    return job


def move(dataset: Dataset, path: Path | ContentFile, **wishes) -> Import:
    job = begun(dataset, path, **wishes)
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("done", ""), job.error
    return job


def tasks_file(*tasks: dict) -> ContentFile:
    return ContentFile(json.dumps(list(tasks)).encode(), name="tasks.json")


def task(number: int, text: str, *results: list, **more) -> dict:
    annotations = [{"id": n, "completed_by": n, "result": found} for n, found in enumerate(results, 1)]
    return {"id": number, "data": {"text": text}, "annotations": annotations} | more


def choice(value: str) -> dict:
    return {"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": [value]}}


def by_key(dataset: Dataset) -> dict:
    return {record.key: record for record in dataset.records.present()}
