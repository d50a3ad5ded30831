"""Drafts of imports into a dataset: the source, its mapping and preview, until the work begins (`imports.job`)."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction

from atelier.accounts.models import User
from atelier.files import quotas
from atelier.jobs.models import Status
from atelier.jobs.once import earlier
from atelier.network import outbound
from curation.formats import FormatError, Mapping, Source, with_new
from curation.formats.mapping import MappingError
from curation.imports.annotated import plan
from curation.imports.origins import collect
from curation.imports.origins.s3 import PRIVATE_SETTING
from curation.imports.reader import FileReader
from curation.models import Dataset, Import

FILES_NAMED = 50
TABLES = ("csv", "tsv", "parquet", "xlsx")  # every row has the same columns


def begin(
    dataset: Dataset,
    user: User | None,
    *,
    file: File | None = None,
    name: str = "",
    url: str = "",
    files: Sequence[File] = (),
    text: str = "",
    origin: dict[str, Any] | None = None,
    key: str | None = None,
    any_kind: bool = False,
    reading: dict[str, str] | None = None,
) -> Import:
    """Create a draft of an import from one of: a file, several, a text, a URL, or an origin as `collect.clean` takes it.

    Files and texts are stored under a generated name; the rest is downloaded by the job. With `any_kind` an empty
    dataset takes the kind that the file looks like; `reading` is how to read it, as `formats.read_as` takes it. Raises ValidationError if it cannot
    be read, or is too much for the team's quotas. The same idempotency key returns the same import. Not for use inside
    a transaction.
    """
    # Not by `once`: a file is stored, looked at and counted before the row is written, and goes when it is not.
    if found := earlier(dataset.project.imports, key):
        return found
    job = Import(
        project=dataset.project, dataset=dataset, created_by=user, status=Status.DRAFT, idempotency_key=key or None
    )
    job.source = {"any_kind": any_kind, "said": {name: value for name, value in (reading or {}).items() if value}}
    if text:
        job.origin, file, name = {"kind": "paste"}, ContentFile(text.encode()), name or "pasted"
    if file is not None or files:
        return _uploaded(job, file, name, files)
    quotas.refuse_disk(dataset.project)
    if origin:
        job.origin = collect.clean(origin)
        job.original_name = shown_name(collect.name_of(job.origin))
    else:
        check_url(url)
        job.url, job.original_name = url, shown_name(url.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or url)
    return _saved(job)


def _uploaded(job: Import, file: File | None, name: str, files: Sequence[File]) -> Import:
    """Return the import of a file of that name, or of several.

    Raises ValidationError, and then stores nothing, though it counts towards the quota.
    """
    size = sum(one.size or 0 for one in ([file] if file is not None else files))
    with quotas.uploading(job.project, size) as upload:
        if file is not None:
            _keep(job, file, name or file.name or "file")
        else:
            _keep_all(job, files)
        found = _saved(job)
        if found is not job:  # the same was sent twice at once: it counts once
            upload.delete()
        return found


def _saved(job: Import) -> Import:
    """Return the new row, or the one that had its key a moment before. Raises ValidationError if the dataset is deleted."""
    try:
        with transaction.atomic():
            job.save()
    except DatabaseError as error:
        if job.file:
            default_storage.delete(job.file)
        if not isinstance(error, IntegrityError):
            raise
        if found := earlier(job.project.imports, job.idempotency_key):
            return found
        raise ValidationError(f"{job.dataset.name} was deleted in the meantime. Choose another dataset.") from error
    return job


def _keep(job: Import, file: File, name: str) -> None:
    """Store the file and look at it. Raises ValidationError, and then stores nothing."""
    job.original_name, job.size = shown_name(name), file.size
    job.file = default_storage.save(f"imports/{uuid.uuid4().hex}", file)
    try:
        inspect(job)
    except Exception:
        default_storage.delete(job.file)
        raise


def _keep_all(job: Import, files: Sequence[File]) -> None:
    """Zip several files into one: they are read in their order, each row with the name of its file."""
    names = [shown_name(file.name or "file") for file in files]
    job.origin = {"kind": "files", "names": names[:FILES_NAMED]}
    with TemporaryDirectory() as folder:
        packed = collect.pack(zip(names, files, strict=True), Path(folder) / "all.zip")
        with packed.open("rb") as stream:
            _keep(job, File(stream, name="all.zip"), f"{names[0]} and {len(names) - 1} more")


def check_url(url: str) -> None:
    """Raise ValidationError for a URL that no job could download."""
    if len(url) > 2000:
        raise ValidationError("The URL is longer than 2,000 characters.")
    try:
        outbound.Gate(settings.IMPORT_PRIVATE_HOSTS, outbound.Caps().ports, PRIVATE_SETTING).check_url(url)
    except outbound.OutboundRefused as error:
        raise ValidationError(str(error)) from error


def shown_name(name: str) -> str:
    """Return a file's name for people: its last part, without control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in last if char.isprintable())[:200] or "file"


def inspect(job: Import, **choices: str) -> None:
    """Find out what the file is, and suggest a mapping. Raises ValidationError with a sentence.

    `choices` are what a person knows better, as `formats.read_as` takes it; before the first look that is what `begin` was
    given.
    """
    try:
        with local(job) as path, FileReader(path) as file:
            known = Source.from_json(job.source) if choices else None
            source = file.inspect(job.original_name, known, **choices or job.source.get("said", {}))
            suggested = _suggested(job, source, file.suggest)
    except FormatError as error:
        raise ValidationError(str(error)) from error
    before = {name: job.source[name] for name in ("any_kind", "mapping_guessed") if name in job.source}
    notes = before | {"why": suggested.why, "new_columns": suggested.new_columns}
    job.source, job.mapping = source.to_json() | notes, suggested.mapping.to_json()


def suggested_as(job: Import, kind: str) -> Mapping:
    """Return the likeliest mapping for records of this kind; it may lack what only a person knows. Raises ValidationError."""
    try:
        with local(job) as path, FileReader(path) as file:
            return file.suggest(kind, Source.from_json(job.source))[0]
    except FormatError as error:
        raise ValidationError(str(error)) from error


class SuggestedMapping(NamedTuple):
    """A suggested mapping with its reasons, and the columns that the last import did not have if its mapping is reused."""

    mapping: Mapping
    why: str
    new_columns: list[str]


def _suggested(job: Import, source: Source, suggest: Callable[[str | None], tuple[Mapping, str]]) -> SuggestedMapping:
    """Return the mapping of the dataset's last import if it fits, else one by the names of the columns."""
    dataset = job.dataset
    kind = None if job.source.get("any_kind") else dataset.kind
    last = Mapping.from_json(dataset.mapping) if dataset.mapping else None
    if source.tool:
        fresh, why = suggest(kind)
        fits = last is not None and last.key == fresh.key
    else:
        fits = last is not None and set(last.columns) <= set(source.columns)
        fresh, why = suggest(last.kind if last and fits else kind)
    if last is None or not fits:
        return SuggestedMapping(fresh, why, [])
    seen = _columns_before(job) | set(last.columns)
    new = [column for column in source.columns if column not in seen]
    return SuggestedMapping(with_new(last, fresh, new), f"Same as in the last import into {dataset.name}.", new)


def _columns_before(job: Import) -> set[str]:
    """Return the columns of the last import whose mapping somebody looked at or sent.

    What it left out was left out on purpose.
    """
    done = job.dataset.imports.filter(confirmed=True).exclude(file="").exclude(pk=job.pk)
    source = done.order_by("-pk").values_list("source", flat=True).first()
    return set(source.get("columns", [])) if source else set()


@contextmanager
def local(job: Import) -> Iterator[Path]:
    """Provide the file as a path on this machine; a file in remote storage is copied temporarily."""
    try:
        yield Path(default_storage.path(job.file))
    except NotImplementedError:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            with default_storage.open(job.file) as stored, path.open("wb") as copy:
                for chunk in stored.chunks():
                    copy.write(chunk)
            yield path


def suggested(job: Import) -> tuple[Mapping, str]:
    """Return the mapping as it is stored, and what it still lacks, as a sentence."""
    try:
        return Mapping.from_json(job.mapping), ""
    except MappingError as error:
        return Mapping(**job.mapping | {"roles": dict(job.mapping["roles"])}), str(error)


def mapping_from(data: Any) -> Mapping:
    """Read a mapping from a caller's JSON. Raises ValidationError."""
    if not isinstance(data, dict):
        raise ValidationError(
            'The mapping must be a JSON object, such as {"kind": "conversations", "messages": "messages"}.'
        )
    try:
        return Mapping.from_json(data)
    except MappingError as error:
        raise ValidationError(str(error)) from error


def confirm(job: Import, mapping: Mapping, *, skip_duplicates: bool = True, update_by_key: bool = False) -> bool:
    """Confirm the mapping and queue the work; the caller wakes a worker. Returns False if it was already started.

    Raises ValidationError.
    """
    update_by_key = update_by_key or bool(plan.name_of(job))  # a task that was moved before is known by its id
    check_update(mapping, update_by_key)
    adopt(job, mapping)
    waiting = Import.objects.filter(pk=job.pk, confirmed=False)
    choices = {"skip_duplicates": skip_duplicates, "update_by_key": update_by_key}
    if not waiting.update(mapping=mapping.to_json(), confirmed=True, **choices):
        return False
    return job.enqueue()


def check_update(mapping: Mapping, update_by_key: bool) -> None:
    """Raise ValidationError if rows are to name the records that they change, and no column does."""
    if update_by_key and not mapping.key:
        raise ValidationError("To update records, choose the column with the ID.")


def adopt(job: Import, mapping: Mapping) -> None:
    """Make the mapping the import's and the dataset's; an empty dataset takes its kind. Raises ValidationError."""
    dataset = job.dataset
    try:
        mapping.validate()
    except MappingError as error:
        raise ValidationError(str(error)) from error
    check_columns(job, mapping)
    check_templates(job, mapping)
    if mapping.kind != dataset.kind:
        if dataset.records.exists() or dataset.imports.filter(confirmed=True).exclude(pk=job.pk).exists():
            raise ValidationError(
                f"{dataset.name} holds {dataset.kind}, and this mapping creates {mapping.kind}. Change the mapping, or import into another dataset."
            )
        dataset.kind = mapping.kind
    dataset.mapping = mapping.to_json()
    dataset.save(update_fields=["kind", "mapping"])
    job.mapping = mapping.to_json()


def check_columns(job: Import, mapping: Mapping) -> None:
    """Raise ValidationError for columns that are not there. Later rows of JSON, and other files of a zip, may have more."""
    there, wanted = job.source["columns"], mapping.columns
    missing = [column for column in wanted if column not in there]
    is_table = job.source["format"] in TABLES and job.source["compression"] != "zip" and mapping.style != "alpaca"
    if missing and (is_table or len(missing) == len(wanted)):
        named = " and ".join(f"“{column}”" for column in missing)[:200]
        raise ValidationError(
            f"The file has no column {named}. Choose from {', '.join(map(str, there))[:400] or 'another file, this one has none'}."
        )


def check_templates(job: Import, mapping: Mapping) -> None:
    """Raise ValidationError for a fixed text that names a column which the file does not have."""
    try:
        mapping.check_templates(job.source["columns"])
    except MappingError as error:
        raise ValidationError(str(error)) from error


def confirm_unseen(
    job: Import, mapping: Mapping | None, *, skip_duplicates: bool = True, update_by_key: bool = False
) -> None:
    """Start an import without a person at the preview, with the given mapping, else the suggested one.

    That of a URL is known only once the job has downloaded it. Raises ValidationError, and then leaves nothing behind.
    """
    job.source["mapping_guessed"] = mapping is None
    if job.file:
        try:
            refuse_unreadable(job)
            suggestion, lacks = suggested(job)
            if mapping is None and lacks:
                raise ValidationError(
                    f"{lacks} Send a mapping. The columns are {', '.join(job.source['columns'])[:400]}."
                )
            job.save(update_fields=["source"])
            confirm(job, mapping or suggestion, skip_duplicates=skip_duplicates, update_by_key=update_by_key)
        except ValidationError:
            default_storage.delete(job.file)
            job.delete()
            raise
        return
    if mapping:
        check_update(mapping, update_by_key)
    job.confirmed, job.mapping = True, mapping.to_json() if mapping else {}
    job.skip_duplicates, job.update_by_key = skip_duplicates, update_by_key
    job.save(update_fields=["confirmed", "skip_duplicates", "update_by_key", "mapping", "source"])
    job.enqueue()


def refuse_unreadable(job: Import) -> None:
    """Raise ValidationError with the reason of the first row if none of the first rows could be read."""
    if reason := job.source.get("problem"):
        raise ValidationError(f"None of the first rows could be read. {reason}")


def again(job: Import, user: User | None, reading: dict[str, str] | None = None, key: str | None = None) -> Import:
    """Create a draft of another import of the same stored file into the same dataset, to be read or mapped otherwise.

    `reading` is as in `begin`. What the first import made stays. Raises ValidationError if there is no file.
    """
    if not job.file:
        if job.done:
            raise ValidationError(
                "The file of this import was removed, because a record in it was erased. Import the file without that record."
            )
        raise ValidationError("This import has no file yet. Wait until it is downloaded.")
    try:
        with default_storage.open(job.file) as stored:
            draft = begin(job.dataset, user, file=stored, name=job.original_name, reading=reading, key=key)
    except FileNotFoundError:
        raise ValidationError("The file of this import is missing from the storage. Import it again.") from None
    draft.origin = job.origin
    draft.save(update_fields=["origin"])
    return draft
