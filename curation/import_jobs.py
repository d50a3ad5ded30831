"""The work of an import: a file, fetched if need be, row by row into a dataset. Every row ends as a record, or as an issue that
says why not."""

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage

from atelier import outbound
from atelier.jobs.claims import Claim, JobFailed, LostClaim, Paused
from atelier.webhooks import events
from atelier.webhooks.models import Webhook
from curation import import_rows, importing, moving, origins
from curation.formats import FormatError, Mapping
from curation.formats.mapping import MappingError
from curation.models import Import

WAITS = "The file is here. Look at the preview and start."


def run(claim: Claim[Import], private_hosts: tuple[str, ...] = ()) -> None:
    """Fetch if need be, then read on from where the ledger ends. A URL without a mapping waits for a person after the fetch."""
    job = claim.job
    if not job.file:
        _fetch(claim, private_hosts)
    if not job.confirmed:
        claim.progress(line=WAITS)
        raise Paused
    try:
        with importing.local(job) as path:
            (moving if moving.name_of(job) else import_rows).run(claim, path)
        claim.when_done(lambda: events.emit(job.project, Webhook.Event.IMPORTED, told(job)))
    except FormatError as error:
        raise JobFailed(str(error)) from error
    except FileNotFoundError:
        raise JobFailed("The file of this import is gone from the storage: import it again.") from None


def told(job: Import) -> dict[str, Any]:
    """What a webhook says of an import that ended."""
    sums = {name: getattr(job, name) for name in ("ok", "updated", "failed", "skipped")}
    return {"import": job.pk, "dataset": job.dataset_id, "name": job.original_name, **sums}


def _fetch(claim: Claim[Import], private_hosts: tuple[str, ...]) -> None:
    job = claim.job
    claim.progress(line=f"Fetching {job.url or origins.name_of(job.origin)}")
    with TemporaryDirectory() as folder:
        collected = _collect(claim, Path(folder), private_hosts)
        job.original_name, job.size = importing.shown_name(collected.name), collected.path.stat().st_size
        with collected.path.open("rb") as found:
            job.file = default_storage.save(f"imports/{uuid.uuid4().hex}", File(found))
    given, wanted = job.mapping, job.source
    try:
        importing.inspect(job)
        job.source["notes"] = [*collected.notes, *job.source["notes"]]
        if job.confirmed:
            mapping = Mapping.from_json(given or job.mapping)
            importing.check_update(mapping, job.update_by_key)
            importing.adopt(job, mapping)
        # A key that was given for this import has done its work.
        job.origin = origins.public(job.origin) if job.origin else {}
        names = ("file", "size", "original_name", "source", "mapping", "origin")
        claim.update(**{name: getattr(job, name) for name in names})
    except (ValidationError, MappingError) as error:
        _forget(job, wanted)
        raise JobFailed(" ".join(error.messages) if isinstance(error, ValidationError) else str(error)) from error
    except LostClaim:
        _forget(job, wanted)
        raise


def _forget(job: Import, source: dict[str, Any]) -> None:
    """The file is not kept: the next attempt fetches it again."""
    default_storage.delete(job.file)
    job.file, job.source = "", source


def _collect(claim: Claim[Import], folder: Path, private_hosts: tuple[str, ...]) -> origins.Collected:
    job = claim.job
    if job.origin:
        return origins.collect(job.origin, folder, lambda line: claim.progress(line=line))
    try:
        fetched = outbound.fetch(job.url, folder / "download", private_hosts=private_hosts)
    except outbound.Refused as error:
        raise JobFailed(str(error)) from error
    return origins.Collected(fetched.path, fetched.name)
