"""What is to be imported into a dataset, and how: a draft, its mapping and preview, until the work begins (`import_jobs`)."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from atelier import outbound
from atelier.accounts.models import User
from atelier.jobs.models import Status
from curation import moving, origins
from curation.formats import Draft, FormatError, Mapping, RowError, Source, read, read_as, sniff, suggest, with_new
from curation.formats.mapping import MappingError
from curation.models import Dataset, Import

PREVIEW_ROWS = 20
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
    sheet: str = "",
) -> Import:
    """A draft of an import from one of: a file, several, a text, an address, or an origin as `origins.clean` takes it.

    Files and texts go into storage under a name of our own; the rest is fetched by the job. With `any_kind` an empty dataset
    takes the kind that the file looks like; of a workbook `sheet` is read. Raises ValidationError when it cannot be read. The
    same idempotency key gives the same import.
    """
    if key and (found := Import.objects.filter(project=dataset.project, idempotency_key=key).first()):
        return found
    job = Import(
        project=dataset.project, dataset=dataset, created_by=user, status=Status.DRAFT, idempotency_key=key or None
    )
    job.source = {"any_kind": any_kind, "sheet": sheet}
    if text:
        job.origin, file, name = {"kind": "paste"}, ContentFile(text.encode()), name or "pasted"
    if file is not None:
        _keep(job, file, name or file.name or "file")
    elif files:
        _keep_all(job, files)
    elif origin:
        job.origin = origins.clean(origin)
        job.original_name = shown_name(origins.name_of(job.origin))
    else:
        check_url(url)
        job.url, job.original_name = url, shown_name(url.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or url)
    try:
        with transaction.atomic():
            job.save()
    except IntegrityError:  # the same key at the same moment
        return Import.objects.get(project=dataset.project, idempotency_key=key)
    return job


def _keep(job: Import, file: File, name: str) -> None:
    """Put the file into storage and look at it. Raises ValidationError, and then keeps nothing."""
    job.original_name, job.size = shown_name(name), file.size
    job.file = default_storage.save(f"imports/{uuid.uuid4().hex}", file)
    try:
        inspect(job)
    except ValidationError:
        default_storage.delete(job.file)
        raise


def _keep_all(job: Import, files: Sequence[File]) -> None:
    """Several files at once are one zip from here on: read in their order, each row with the name of its file."""
    names = [shown_name(file.name or "file") for file in files]
    job.origin = {"kind": "files", "names": names[:FILES_NAMED]}
    with TemporaryDirectory() as folder:
        packed = origins.pack(zip(names, files, strict=True), Path(folder) / "all.zip")
        with packed.open("rb") as stream:
            _keep(job, File(stream, name="all.zip"), f"{names[0]} and {len(names) - 1} more")


def check_url(url: str) -> None:
    """Raises ValidationError for an address that no job could fetch."""
    if len(url) > 2000:
        raise ValidationError("The address is longer than 2,000 characters.")
    try:
        outbound.Gate(ports=outbound.Caps().ports).check_url(url)
    except outbound.Refused as error:
        raise ValidationError(str(error)) from error


def shown_name(name: str) -> str:
    """A file's name for people: its last part, without control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in last if char.isprintable())[:200] or "file"


def inspect(job: Import, **said: str) -> None:
    """Find out what the file is, and suggest a mapping. Raises ValidationError with a sentence.

    `said` is what a person knows better, as `formats.read_as` takes it; before the first look that is the sheet, as `begin` was
    told it.
    """
    try:
        with local(job) as path:
            source = Source.from_json(job.source) if said else sniff(path, job.original_name)
            said = said or {"sheet": job.source.get("sheet", "")}
            source = read_as(path, source, **said) if any(said.values()) else source
            rows = [row.data for row in islice(read(path, source), PREVIEW_ROWS) if row.data is not None]
    except FormatError as error:
        raise ValidationError(str(error)) from error
    mapping, why, new = _suggested(job, source, rows)
    kept = {"why": why, "any_kind": job.source.get("any_kind", False), "new_columns": new}
    job.source, job.mapping = source.to_json() | kept, mapping.to_json()


def suggested_as(job: Import, kind: str) -> Mapping:
    """The mapping that is likeliest for records of this kind; it may lack what only a person knows."""
    with local(job) as path:
        rows = islice(read(path, Source.from_json(job.source)), PREVIEW_ROWS)
        return suggest(job.source["columns"], [row.data for row in rows if row.data is not None], kind)[0]


def _suggested(job: Import, source: Source, rows: list[dict[str, Any]]) -> tuple[Mapping, str, list[str]]:
    """The mapping of the dataset's last import where it fits, else one by the names of the columns; why; and the columns that
    the last import did not have, where its mapping is taken."""
    dataset = job.dataset
    kind = None if job.source.get("any_kind") else dataset.kind
    last = Mapping.from_json(dataset.mapping) if dataset.mapping else None
    if source.tool:
        fresh, why = moving.suggested(source.tool, source.columns, rows, kind)
        fits = last is not None and last.key == fresh.key
    else:
        fits = last is not None and set(last.columns) <= set(source.columns)
        fresh, why = suggest(source.columns, rows, last.kind if last and fits else kind)
    if last is None or not fits:
        return fresh, why, []
    seen = _columns_before(job) | set(last.columns)
    new = [column for column in source.columns if column not in seen]
    return with_new(last, fresh, new), f"As in the last import into {dataset.name}.", new


def _columns_before(job: Import) -> set[str]:
    """The columns of the last import whose mapping somebody looked at or sent: what it left out was left out on purpose."""
    done = job.dataset.imports.filter(confirmed=True).exclude(file="").exclude(pk=job.pk)
    source = done.order_by("-pk").values_list("source", flat=True).first()
    return set(source.get("columns", [])) if source else set()


@contextmanager
def local(job: Import) -> Iterator[Path]:
    """The file as a path on this machine; storage that is elsewhere is copied for the while."""
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
    """The mapping as it is stored, and what it still lacks, as a sentence."""
    try:
        return Mapping.from_json(job.mapping), ""
    except MappingError as error:
        return Mapping(**job.mapping | {"roles": dict(job.mapping["roles"])}), str(error)


def mapping_from(data: Any) -> Mapping:
    """A mapping from JSON of a caller. Raises ValidationError."""
    if not isinstance(data, dict):
        raise ValidationError(
            'The mapping must be a JSON object, such as {"kind": "conversations", "messages": "messages"}.'
        )
    try:
        return Mapping.from_json(data)
    except MappingError as error:
        raise ValidationError(str(error)) from error


def preview(job: Import, mapping: Mapping) -> list[tuple[int, dict[str, Any] | None, str, Draft | None, str]]:
    """(line, raw row or None, raw text, draft or None, what is wrong) of the first rows."""
    shown: list[tuple[int, dict[str, Any] | None, str, Draft | None, str]] = []
    try:
        with local(job) as path:
            for row in islice(read(path, Source.from_json(job.source)), PREVIEW_ROWS):
                draft, wrong = None, row.problem.message if row.problem else ""
                try:
                    draft = mapping.apply(row.data) if row.data is not None else None
                except RowError as error:
                    wrong = error.problem.message
                shown.append((row.line, row.data, row.raw, draft, wrong))
    except FormatError as error:
        raise ValidationError(str(error)) from error
    return shown


def confirm(job: Import, mapping: Mapping, *, skip_duplicates: bool = True, update_by_key: bool = False) -> bool:
    """The mapping is right: queue the work; the caller wakes a worker. False when it was started already. Raises ValidationError."""
    update_by_key = update_by_key or bool(moving.name_of(job))  # a task that was moved before is known by its id
    check_update(mapping, update_by_key)
    adopt(job, mapping)
    waiting = Import.objects.filter(pk=job.pk, confirmed=False)
    choices = {"skip_duplicates": skip_duplicates, "update_by_key": update_by_key}
    if not waiting.update(mapping=mapping.to_json(), confirmed=True, **choices):
        return False
    return job.enqueue()


def check_update(mapping: Mapping, update_by_key: bool) -> None:
    """Raises ValidationError when rows are to name the records that they change, and no column does."""
    if update_by_key and not mapping.key:
        raise ValidationError("To update records, choose the column that holds the row's id.")


def adopt(job: Import, mapping: Mapping) -> None:
    """Make the mapping the import's and the dataset's; an empty dataset takes its kind. Raises ValidationError."""
    dataset = job.dataset
    try:
        mapping.validate()
    except MappingError as error:
        raise ValidationError(str(error)) from error
    _check_columns(job, mapping)
    if mapping.kind != dataset.kind:
        if dataset.records.exists() or dataset.imports.filter(confirmed=True).exclude(pk=job.pk).exists():
            raise ValidationError(
                f"{dataset.name} holds {dataset.kind}, and this mapping makes {mapping.kind}: change it, or import into another dataset."
            )
        dataset.kind = mapping.kind
    dataset.mapping = mapping.to_json()
    dataset.save(update_fields=["kind", "mapping"])
    job.mapping = mapping.to_json()


def _check_columns(job: Import, mapping: Mapping) -> None:
    """Raises ValidationError for columns that are not there. Later rows of JSON, and other files of a zip, may have more."""
    there, wanted = job.source["columns"], mapping.columns
    missing = [column for column in wanted if column not in there]
    is_table = job.source["format"] in TABLES and job.source["compression"] != "zip" and mapping.style != "alpaca"
    if missing and (is_table or len(missing) == len(wanted)):
        named = " and ".join(f"“{column}”" for column in missing)[:200]
        raise ValidationError(
            f"The file has no column {named}: choose among {', '.join(map(str, there))[:400] or 'other files, it has none'}."
        )


def confirm_unseen(
    job: Import, mapping: Mapping | None, *, skip_duplicates: bool = True, update_by_key: bool = False
) -> None:
    """Start without a person at the preview: with the mapping given, else the one suggested, which of an address is known
    only once the job has fetched it. Raises ValidationError, and then leaves nothing behind."""
    if job.file:
        try:
            suggestion, lacks = suggested(job)
            if mapping is None and lacks:
                raise ValidationError(
                    f"{lacks} Send a mapping: the columns are {', '.join(job.source['columns'])[:400]}."
                )
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
    job.save(update_fields=["confirmed", "skip_duplicates", "update_by_key", "mapping"])
    job.enqueue()


def discard(job: Import) -> None:
    """A draft, or what was cancelled before its first row, leaves nothing behind."""
    job.cancel()
    if not job.done and job.file:
        default_storage.delete(job.file)


def can_be_discarded(job: Import) -> bool:
    """Whether nothing of it has become anything yet: a draft, or an address that could not be fetched."""
    if job.confirmed or job.done:
        return False
    return job.status in (Status.DRAFT, Status.FAILED) or (job.status == Status.PAUSED and bool(job.file))


def throw_away(job: Import) -> None:
    """Discard it, and the dataset that was made for it alone, as long as nothing else was done with that."""
    discard(job)
    dataset = job.dataset
    made_for_it = job.source.get("any_kind") and not job.confirmed
    others = dataset.imports.exclude(pk=job.pk).exists() or dataset.questions.exists() or dataset.distilled_by.exists()
    if made_for_it and not others and not dataset.records.exists():
        dataset.delete()
