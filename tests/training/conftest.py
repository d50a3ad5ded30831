"""A frozen version, and a tiny base model under the sample student's name."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from curation.models import Dataset, Version
from tests.fakes import tiny_model
from training.models import Run
from training.runs import control

SLUG = "smollm2-135m-instruct"
QUICK = {
    "epochs": 1,
    "max_steps": 6,
    "batch_size": 2,
    "rank": 4,
    "alpha": 8,
    "max_length": 256,
    "save_every": 2,
    "eval_every": 3,
}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    return tiny_model.ensure(tmp_path_factory.mktemp("tiny") / SLUG)


@pytest.fixture
def tiny_base(tiny_folder, data_folder, settings) -> Path:
    """Install the tiny model where the app looks for the sample's student."""
    return Path(shutil.copytree(tiny_folder, Path(settings.MODELS_DIR) / SLUG))


def stored(rows: list[dict]) -> dict:
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode()
    sha = hashlib.sha256(text).hexdigest()
    name = default_storage.save(f"versions/{sha}.jsonl", ContentFile(text))
    return {"name": name, "sha256": sha, "bytes": len(text), "rows": len(rows)}


def conversation(number: int) -> dict:
    return {
        "id": f"r{number}",
        "messages": [
            {"role": "system", "content": "Write plainly."},
            {"role": "user", "content": f"Say the number {number}."},
            {"role": "assistant", "content": f"It is {number}."},
        ],
    }


@pytest.fixture
def version(project) -> Version:
    """Return a version of sixteen conversations to train on, four to validate with."""
    dataset = Dataset.objects.create(project=project, name="Rewrites", kind=Dataset.Kind.CONVERSATIONS)
    files = {
        "train": stored([conversation(n) for n in range(16)]),
        "validation": stored([conversation(n) for n in range(100, 104)]),
        "test": stored([conversation(n) for n in range(200, 202)]),
    }
    return Version.objects.create(
        project=project,
        dataset=dataset,
        number=1,
        status=Version.Status.DONE,
        content_hash="ab" * 32,
        files=files,
        rows=22,
    )


@pytest.fixture
def run(version, bob) -> Run:
    """A queued run of a few steps."""
    return control.start(version, SLUG, control.recipe_for(SLUG, QUICK), bob, "first try")
