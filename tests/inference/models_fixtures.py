"""An adapter that a run left, and a base that lies on disk, without training anything."""

import json
from pathlib import Path

import pytest

from curation.models import Dataset, Version
from training import manifest
from training.models import Adapter, Run
from training.runs import adapters

SLUG = "smollm2-135m-instruct"


@pytest.fixture
def base_on_disk(settings, data_folder) -> Path:
    folder = Path(settings.MODELS_DIR) / SLUG
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    manifest.write(folder, slug=SLUG, revision="r1")
    return folder


def make_adapter(project, rank: int = 8, name: str = "") -> Adapter:
    """Create a done run with its adapter's files."""
    dataset, _ = Dataset.objects.get_or_create(project=project, name="Rewrites", kind=Dataset.Kind.CONVERSATIONS)
    version, _ = Version.objects.get_or_create(
        project=project,
        dataset=dataset,
        number=1,
        defaults={"status": "done", "files": {"train": {"name": "n", "sha256": "0", "bytes": 1, "rows": 8}}},
    )
    run = Run.objects.create(
        project=project,
        version=version,
        number=project.runs.count() + 1,
        name=name,
        base=SLUG,
        status="done",
        recipe={"rank": rank, "system_prompt": "Write plainly."},
    )
    folder = run.folder / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    manifest.write(folder, base=SLUG)
    return adapters.adopt(run, adapters.inspect(run))


@pytest.fixture
def adapter(project, base_on_disk) -> Adapter:
    return make_adapter(project)
