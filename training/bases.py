"""Base models: what the catalogue offers, what lies on this machine's disk, and bringing the one to the other."""

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
from django.db import IntegrityError, transaction

from atelier.accounts.models import Project, User
from atelier.jobs.claims import Claim, JobFailed
from training import catalogue, manifest, student
from training.models import Base, Pull
from training.recipe import Device
from training.supervision import Child

LOOK_SECONDS = 0.4
MIB = 2**20
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
    """A catalogued base beside this machine: what of it is here, and what it would take."""

    base: catalogue.Base
    row: Base | None
    pull: Pull | None
    can_train: bool
    can_serve: bool

    @property
    def train_gib(self) -> float:
        """The least memory that trains it, in GiB."""
        return min(self.base.lora_gib, self.base.qlora_gib)


@functools.cache
def machine() -> Device:
    """This machine's accelerator or processor; looked up once a process."""
    return Device.detect()


def get(slug: str) -> catalogue.Base:
    """The catalogue's entry. Raises ValidationError naming what there is."""
    try:
        return catalogue.get(slug)
    except catalogue.CatalogueError as error:
        raise ValidationError(str(error)) from error


def title(slug: str) -> str:
    """The catalogue's name of a base; its slug when the catalogue has dropped it."""
    base = catalogue.load().get(slug)
    return base.title if base else slug


def offers(project: Project) -> list[Offer]:
    """Every catalogued base, those on disk first."""
    rows = {row.slug: row for row in present()}
    pulls = {pull.slug: pull for pull in Pull.objects.filter(project=project).order_by("pk")}
    memory = machine().memory_gib
    found = [
        Offer(
            base,
            rows.get(slug),
            pulls.get(slug),
            min(base.lora_gib, base.qlora_gib) <= memory,
            base.serve_gib <= memory,
        )
        for slug, base in catalogue.load().items()
    ]
    return sorted(found, key=lambda offer: (offer.row is None, offer.base.slug != student.STUDENT))


def present() -> list[Base]:
    """The bases that are whole on disk, their rows made or renewed where the disk says otherwise."""
    models = Path(settings.MODELS_DIR)
    return [note(slug) for slug in catalogue.load() if student.is_ready(models, slug)]


def note(slug: str) -> Base:
    """The row of a base that lies on disk, in step with its manifest."""
    path = student.folder_of(Path(settings.MODELS_DIR), slug) / manifest.NAME
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    row = Base.objects.filter(slug=slug, digest=digest).first()
    if row is None:
        found = json.loads(text)
        size = sum(file["bytes"] for file in found["files"].values())
        facts = {"revision": str(found.get("revision") or "")[:64], "digest": digest, "bytes": size}
        row, _ = Base.objects.update_or_create(slug=slug, defaults=facts)
    return row


def ensure(slug: str) -> Base:
    """The base, fetched here and now if it is not there yet; for commands and small models. Raises ValidationError."""
    try:
        student.ensure(Path(settings.MODELS_DIR), get(slug))
    except student.ModelError as error:
        raise ValidationError(str(error)) from error
    return note(slug)


def start_pull(project: Project, slug: str, user: User | None, *, revision: str = "", key: str | None = None) -> Pull:
    """A queued pull; one that is under way for the same base is given again. Raises ValidationError."""
    get(slug)
    if key and (found := Pull.objects.filter(project=project, idempotency_key=key).first()):
        return found
    if live := Pull.objects.filter(project=project, slug=slug).live().first():
        return live
    revision = revision.strip()[:64]
    try:
        with transaction.atomic():
            return Pull.objects.create(
                project=project, slug=slug, revision=revision, created_by=user, idempotency_key=key or None
            )
    except IntegrityError:  # the same key at the same moment
        return Pull.objects.get(project=project, idempotency_key=key)


def pull(claim: Claim[Pull]) -> None:
    """The work of a Pull: doing it again finds the model there. Raises JobFailed."""
    job = claim.job
    fetch(claim, job.slug, job.revision)
    row = note(job.slug)
    size = max(1, row.bytes // MIB)
    claim.progress(size, size, f"On disk, at revision {row.revision[:12] or 'unknown'}")


def fetch(claim: Claim, slug: str, revision: str = "") -> None:
    """Fetch a base in a child process while a job waits for it, and obey that job's wishes. Raises JobFailed."""
    models = Path(settings.MODELS_DIR)
    if student.is_ready(models, slug) and not revision:
        return
    Path(settings.LOG_DIR).mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    log = Path(settings.LOG_DIR) / f"fetch-{type(claim.job).__name__.lower()}-{claim.job.pk}.log"
    log.unlink(missing_ok=True)
    child = Child([sys.executable, "-m", "training.fetch", str(models), slug, revision], log, extra=hub_settings())
    child.start()
    try:
        wait(claim, child, slug)
    finally:
        child.end()


def wait(claim: Claim, child: Child, slug: str) -> None:
    """Report what the child says until it ends. Raises JobFailed with its sentence."""
    expected = int(get(slug).parameters * 2 / MIB)
    while True:
        code = child.poll()
        said = last_words(child.log)
        line, size = str(said.get("line", "Asking for its files")), int(said.get("bytes", 0)) // MIB
        if isinstance(claim.job, Pull):
            claim.progress(size, max(expected, size + 1), line)
        else:
            claim.progress(line=line)
        if code == 0:
            return
        if code is not None:
            unsaid = f"Fetching {slug} broke off with code {code}. See {child.log.name}."
            raise JobFailed(str(said.get("error") or unsaid))
        time.sleep(LOOK_SECONDS)


def last_words(log: Path) -> dict[str, object]:
    """The newest value of each thing the child said; other output of libraries is left in the log."""
    said: dict[str, object] = {}
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        if line.startswith("{"):
            try:
                said |= json.loads(line)
            except ValueError:
                continue  # half a line: the rest comes at the next look
    return said


def hub_settings() -> dict[str, str]:
    """What reaches the model hub: its address, cache, token and the proxies of this machine, and nothing else."""
    return {name: os.environ[name] for name in HUB_NAMES if name in os.environ}
