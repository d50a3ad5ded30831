"""The job of an import: a file, downloaded if need be, row by row into a dataset.

Every row ends as a record, or as an issue with its reason.
"""

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage

from atelier.jobs.claims import Claim, JobFailed, JobPaused, LostClaim
from atelier.jobs.models import PauseReason
from atelier.network import outbound
from atelier.network.openings import Opening
from atelier.webhooks import events
from atelier.webhooks.models import Webhook
from curation.formats import FormatError, Mapping
from curation.formats.mapping import MappingError
from curation.imports import drafts
from curation.imports import rows as import_rows
from curation.imports.annotated import plan
from curation.imports.origins import collect
from curation.imports.origins.s3 import PRIVATE_SETTING
from curation.models import Import

WAITS = "The file is ready. Check the preview, then start the import."


def run(claim: Claim[Import], private_hosts: tuple[Opening, ...] = ()) -> None:
    """Download the file if need be, then read on from where the ledger ends.

    A URL without a mapping waits for a person after the download.
    """
    job = claim.job
    claim.keeps_turn = True  # until rows are written: a download, or the way to the first new row, would begin again
    if not job.file:
        _fetch(claim, private_hosts)
    if not job.confirmed:
        claim.progress(line=WAITS)
        raise JobPaused(PauseReason.CHECK)
    try:
        with drafts.local(job) as path:
            (plan if plan.name_of(job) else import_rows).run(claim, path)
        claim.when_done(lambda: events.emit(job.project, Webhook.Event.IMPORTED, webhook_body(job)))
    except FormatError as error:
        raise JobFailed(str(error)) from error
    except FileNotFoundError:
        raise JobFailed("The file of this import is missing from the storage. Import it again.") from None


def webhook_body(job: Import) -> dict[str, Any]:
    """Return the body of the webhook for an import that ended."""
    sums = {name: getattr(job, name) for name in ("ok", "updated", "failed", "skipped")}
    return {"import": job.pk, "dataset": job.dataset_id, "name": job.original_name, **sums}


def _fetch(claim: Claim[Import], private_hosts: tuple[Opening, ...]) -> None:
    job = claim.job
    if not job.origin and not job.url:
        raise JobFailed(
            "The file of this import was removed, because a record in it was erased. Import it again without that."
        )
    claim.progress(line=f"Downloading {job.url or collect.name_of(job.origin)}")
    with TemporaryDirectory() as folder:
        collected = _collect(claim, Path(folder), private_hosts)
        job.original_name, job.size = drafts.shown_name(collected.name), collected.path.stat().st_size
        with collected.path.open("rb") as found:
            job.file = default_storage.save(f"imports/{uuid.uuid4().hex}", File(found))
    mapping_before, source_before = job.mapping, job.source
    try:
        drafts.inspect(job)
        job.source["notes"] = [*collected.notes, *job.source["notes"]]
        if job.confirmed:
            drafts.refuse_unreadable(job)
            mapping = Mapping.from_json(mapping_before or job.mapping)
            drafts.check_update(mapping, job.update_by_key)
            drafts.adopt(job, mapping)
        # A key that was given for this import has done its work.
        job.origin = collect.public(job.origin) if job.origin else {}
        names = ("file", "size", "original_name", "source", "mapping", "origin")
        claim.update(**{name: getattr(job, name) for name in names})
    except (ValidationError, MappingError) as error:
        _forget(job, source_before)
        raise JobFailed(" ".join(error.messages) if isinstance(error, ValidationError) else str(error)) from error
    except LostClaim:
        _forget(job, source_before)
        raise


def _forget(job: Import, source: dict[str, Any]) -> None:
    """Delete the file: the next attempt downloads it again."""
    default_storage.delete(job.file)
    job.file, job.source = "", source


def _collect(claim: Claim[Import], folder: Path, private_hosts: tuple[Opening, ...]) -> collect.CollectedFile:
    job = claim.job
    if job.origin:
        return collect.collect(job.origin, folder, lambda line: claim.progress(line=line))
    try:
        fetched = outbound.fetch(job.url, folder / "download", None, private_hosts, PRIVATE_SETTING)
    except outbound.OutboundRefused as error:
        raise JobFailed(str(error)) from error
    return collect.CollectedFile(fetched.path, fetched.name)
