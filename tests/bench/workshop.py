"""What the benches need: an installation in a folder that is thrown away, and the rows in it."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atelier.accounts.models import Project
    from curation.models import Dataset

ROOT = Path(__file__).resolve().parents[2]
SEED = 7
DATASET = "Chat"


@dataclass(frozen=True)
class Options:
    """The extent and place of a measurement: `home` keeps what is worth keeping between runs (rows, base models)."""

    home: Path
    rows: int = 100_000
    records: int = 0  # of the list alone, filled by SQL; 0 takes the imported rows

    @property
    def chat(self) -> Path:
        """Return the chat rows, created once: named by all that decides what is in them."""
        key = hashlib.sha256(f"gen_chat rows={self.rows} seed={SEED}".encode()).hexdigest()[:12]
        return self.home / "bench" / f"chat-{key}.jsonl"


def make_rows(options: Options) -> Path:
    """Return the file of chat rows; written by a process of its own, for a bench measures its own memory."""
    path = options.chat
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "tests.bench.gen_chat", "-n", str(options.rows), "--seed", str(SEED)]
        subprocess.run([*command, "-o", str(draft)], check=True, cwd=ROOT)
        draft.rename(path)
    return path


def open_installation() -> None:
    """Set up Django on the data folder and database that the environment names, with every table."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def take_models(options: Options) -> None:
    """Copy the base models that earlier runs kept, such as the student with its tokenizer.

    Without them tokens are estimated.
    """
    from django.conf import settings

    kept, wanted = options.home / "models", Path(settings.MODELS_DIR)
    if kept.is_dir() and not wanted.exists():
        wanted.symlink_to(kept, target_is_directory=True)


def project() -> "Project":
    """Return a project, with a member of its team called `member`; the same ones each time."""
    from atelier.accounts.models import Membership, Project, Role, Team, User

    team, _ = Team.objects.get_or_create(name="Bench")
    user, _ = User.objects.get_or_create(username="member")
    Membership.objects.get_or_create(team=team, user=user, defaults={"role": Role.EDITOR})
    return Project.objects.get_or_create(team=team, name="Bench", defaults={"created_by": user})[0]


def import_rows(path: Path, name: str) -> "Dataset":
    """Return a new dataset with the rows of a file, by the job that pages start, in this process."""
    from django.core.files import File

    from curation import tasks
    from curation.imports import drafts
    from curation.models import Dataset

    dataset = Dataset.objects.create(project=project(), name=name, kind=Dataset.Kind.CONVERSATIONS)
    with path.open("rb") as file:
        job = drafts.begin(dataset, None, file=File(file), name=path.name)
    drafts.confirm(job, drafts.mapping_from(job.mapping))
    tasks.import_file(job.pk)
    finished(job)
    return dataset


def filled(options: Options) -> "Dataset":
    """Return the dataset with all rows, left by an earlier bench of this run or imported now."""
    from curation.models import Dataset

    found = Dataset.objects.filter(name=DATASET).first()
    return found if found and found.records.count() == options.rows else import_rows(make_rows(options), DATASET)


def finished(job: Any) -> None:
    """Check that a job ended well. Raises RuntimeError with the job's own words."""
    job.refresh_from_db()
    if job.status != job.Status.DONE:
        raise RuntimeError(f"{job.title} ended as {job.status}: {job.error or job.line}")
