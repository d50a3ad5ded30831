"""What the tests of erasures share: a person among records, and a look into every table and file."""

import json
from pathlib import Path

from django.apps import apps
from django.core.files.storage import default_storage

from curation import tasks
from curation.erasures import requests
from curation.models import Erasure, Record
from curation.records import derived

SECRET = "Zephyrine Quill"


def about(record: Record, words: str = f"{SECRET} lives in Mill Lane.") -> Record:
    record.messages = [{"role": "user", "content": words}, {"role": "assistant", "content": f"I know: {words}"}]
    record.key, record.metadata = SECRET, {"name": SECRET}
    derived.complete(record)
    record.save()
    return record


def person(dataset) -> Record:
    return dataset.records.get(key=SECRET)


def erased(dataset, user, record: Record, reason: str = "Request of 3 May") -> Erasure:
    started = requests.begin(dataset, user, [record.pk], reason)
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert started.status == "done", started.error
    return started


def everywhere(words: str = SECRET) -> list[str]:
    """Return the tables and files in which the words stand."""
    found = []
    for model in apps.get_models():
        for row in model._base_manager.values():
            if words in json.dumps(row, default=str, ensure_ascii=False):
                found.append(f"{model.__name__} {row.get('id')}")
    for path in Path(default_storage.location).parent.rglob("*"):
        if path.is_file() and path.suffix != ".sqlite3" and words.encode() in path.read_bytes():
            found.append(path.name)
    return found
