"""Base models: the catalogue's offers, those on this machine's disk, and downloading them (pulls)."""

import functools
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project, User
from atelier.files.local_paths import hidden
from atelier.jobs.claims import Claim, JobFailed
from atelier.jobs.once import once
from atelier.processes.child import GuardedProcess
from training import catalogue, manifest
from training.bases import store
from training.models import Adapter, Base, Pull, Run
from training.recipe.fit import Device, needed_gib

LOOK_SECONDS = 0.4
MIB = 2**20
SHORTEST_COMMIT = 7  # digits, by which a commit may be named
HUB_NAMES = (
    "HF_TOKEN",
    "HF_HOME",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)


@dataclass(frozen=True)
class Offer:
    """A catalogued base on this machine: whether it is on disk, and whether it can be trained and served here."""

    base: catalogue.CatalogueBase
    row: Base | None
    pull: Pull | None
    can_train: bool
    can_serve: bool

    @property
    def train_gib(self) -> float:
        """Return the least memory that trains it here, in GiB."""
        return round(needed_gib(machine(), self.base), 1)


@functools.cache
def machine() -> Device:
    """Return this machine's accelerator or processor; detected once per process."""
    return Device.detect()


def get(slug: str) -> catalogue.CatalogueBase:
    """Return the catalogue's entry. Raises ValidationError naming what there is."""
    try:
        return catalogue.get(slug)
    except catalogue.CatalogueError as error:
        raise ValidationError(str(error)) from error


def title(slug: str) -> str:
    """Return the catalogue's name of a base; its slug when the catalogue has dropped it."""
    base = catalogue.load().get(slug)
    return base.title if base else slug


def offers(project: Project) -> list[Offer]:
    """Return every catalogued base, those on disk first."""
    rows = {row.slug: row for row in present()}
    pulls = {pull.slug: pull for pull in Pull.objects.filter(project=project).order_by("pk")}
    memory = machine().memory_gib
    listed = [
        Offer(
            base,
            rows.get(slug),
            pulls.get(slug),
            not base.untrainable and needed_gib(machine(), base) <= memory,
            base.serve_gib <= memory,
        )
        for slug, base in catalogue.load().items()
    ]
    return sorted(listed, key=lambda offer: (offer.row is None, offer.base.slug != store.STUDENT))


def present() -> list[Base]:
    """Return the bases that are complete on disk; their rows are created or updated if the disk differs."""
    models = Path(settings.MODELS_DIR)
    return [note(slug) for slug in catalogue.load() if store.is_ready(models, slug)]


def note(slug: str) -> Base:
    """Return the row of a base that is on disk, updated from its manifest."""
    path = store.folder_of(Path(settings.MODELS_DIR), slug) / manifest.NAME
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    row = Base.objects.filter(slug=slug, digest=digest).first()
    if row is None:
        found = json.loads(text)
        size = sum(file["bytes"] for file in found["files"].values())
        facts = {"revision": str(found.get("revision") or "")[:64], "digest": digest, "bytes": size}
        row, _ = Base.objects.update_or_create(slug=slug, defaults=facts)
    return row


def count_with(project: Project, slug: str) -> None:
    """Let the tokenizer and the context of this base count the project's records. Raises ValidationError.

    The caller has the records counted again.
    """
    if not store.is_ready(Path(settings.MODELS_DIR), get(slug).slug):
        raise ValidationError(
            f"{title(slug)} is not on this machine yet, so nothing can be counted by it. Download it first."
        )
    Project.objects.filter(pk=project.pk).update(base=slug)
    project.base = slug


def own_prompt(slug: str) -> str:
    """Return the system prompt of a base that thinks reliably only under its own; empty for others, and until it is on disk."""
    base = catalogue.load().get(slug)
    if base is None or not base.reasoning:
        return ""
    return store.own_prompt(store.folder_of(Path(settings.MODELS_DIR), slug))


def digest(slug: str) -> str:
    """Return the digest of a base's files as they are on disk now; empty when the base isn't there, or isn't complete."""
    models = Path(settings.MODELS_DIR)
    if not store.is_ready(models, slug):
        return ""
    return hashlib.sha256((store.folder_of(models, slug) / manifest.NAME).read_bytes()).hexdigest()


def ensure(slug: str) -> Base:
    """Return the base, downloaded at once if it is not there yet; for commands and small models. Raises ValidationError."""
    try:
        store.ensure(Path(settings.MODELS_DIR), get(slug))
    except store.ModelError as error:
        raise ValidationError(str(error)) from error
    return note(slug)


def start_pull(project: Project, slug: str, user: User | None, *, revision: str = "", key: str | None = None) -> Pull:
    """Queue a pull; one that is under way for the same base is returned instead. Raises ValidationError.

    So it does for another revision than the one on disk, when an adapter or a run depends on that.
    """
    get(slug)

    def make() -> Pull:
        refuse_replacing(slug, revision.strip())
        live = Pull.objects.filter(project=project, slug=slug).live().first()
        return live or Pull(project=project, slug=slug, revision=revision.strip()[:64], created_by=user)

    return once(project.pulls, key, make)


def refuse_replacing(slug: str, revision: str) -> None:
    """Raise ValidationError when a pull would replace files that adapters were trained on, or that a run needs.

    Whether a branch or a tag names the revision on disk is known only once the hub has answered, so a name is refused too.
    """
    row = note(slug) if store.is_ready(Path(settings.MODELS_DIR), slug) else None
    if (
        row is None
        or not revision
        or (row.revision and row.revision.startswith(revision) and len(revision) >= SHORTEST_COMMIT)
    ):
        return
    adapters = Adapter.objects.filter(base=slug).exists()
    if adapters or Run.objects.filter(base=slug).exclude(status__in=[Run.Status.DONE, Run.Status.CANCELLED]).exists():
        why = "Adapters were trained on it" if adapters else "A run that isn't over trains on it"
        raise ValidationError(
            f"{title(slug)} is on this machine at revision {row.revision[:12] or 'unknown'}. {why}, so with other "
            f"files the answers would be wrong. To have revision {revision} too, add it to the catalogue under a name of its own."
        )


def pull(claim: Claim[Pull]) -> None:
    """Run the job of a Pull: a repeated run finds the model there. Raises JobFailed."""
    job = claim.job
    before = note(job.slug) if store.is_ready(Path(settings.MODELS_DIR), job.slug) else None
    try:
        refuse_replacing(job.slug, job.revision)  # a run may have been started since it was asked for
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    fetch(claim, job.slug, job.revision)
    row = note(job.slug)
    size = max(1, row.bytes // MIB)
    line = f"On disk, at revision {row.revision[:12] or 'unknown'}"
    if before is not None and before.digest != row.digest:
        line += f". It replaced revision {before.revision[:12] or 'unknown'}, whose files were others"
    claim.progress(size, size, line)


def fetch(claim: Claim, slug: str, revision: str = "") -> None:
    """Download a base in a child process while a job waits for it, and obey that job's requests. Raises JobFailed."""
    models = Path(settings.MODELS_DIR)
    if store.is_ready(models, slug) and not revision:
        return
    Path(settings.LOG_DIR).mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    log = Path(settings.LOG_DIR) / f"fetch-{type(claim.job).__name__.lower()}-{claim.job.pk}.log"
    log.unlink(missing_ok=True)
    child = GuardedProcess(
        [sys.executable, "-m", "training.bases.fetch", str(models), slug, revision], log, extra=hub_settings()
    )
    child.start()
    try:
        wait(claim, child, slug)
    finally:
        child.end()


def wait(claim: Claim, child: GuardedProcess, slug: str) -> None:
    """Report the child's progress until it ends. Raises JobFailed with its sentence."""
    expected = int(get(slug).parameters * 2 / MIB)
    while True:
        code = child.poll()
        words = last_words(child.log)
        line, size = str(words.get("line", "Listing the files")), int(words.get("bytes", 0)) // MIB
        if isinstance(claim.job, Pull):
            claim.progress(size, max(expected, size + 1), line)
        else:
            claim.progress(line=line)
        if code == 0:
            return
        if code is not None:
            unsaid = f"The download of {slug} failed with code {code}. See {child.log.name}."
            raise JobFailed(hidden(str(words.get("error") or unsaid), [settings.DATA_DIR, sys.prefix]))
        time.sleep(LOOK_SECONDS)


def last_words(log: Path) -> dict[str, object]:
    """Return the newest value of each thing the child reported; other output of libraries is left in the log."""
    words: dict[str, object] = {}
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        if line.startswith("{"):
            try:
                words |= json.loads(line)
            except ValueError:
                continue  # half a line: the rest comes at the next look
    return words


def hub_settings() -> dict[str, str]:
    """Return the settings that reach the model hub: its URL, cache, token and the proxies of this machine, and nothing else."""
    return {name: os.environ[name] for name in HUB_NAMES if name in os.environ}
