"""Import a file or an address into a dataset, and wait for the end."""

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.management.base import CommandError, CommandParser

from atelier.accounts.models import Project
from atelier.management.job_command import JobCommand, Refused, find
from curation import datasets, importing, moving
from curation.models import Dataset, Import


class Command(JobCommand):
    help = (
        "Import a FILE, URL, folder, s3://bucket/prefix or hub:NAME into a dataset, which is made when there is none of that name. Formats: JSONL, JSON, CSV, TSV, Parquet, "
        "XLSX, text; gzipped, or a zip of several. Without --mapping the columns are mapped by their names and contents. "
        "Exit codes: 0 done (also when single rows failed), 1 failed, 2 wrong arguments, 4 done, but no row came in, or with --strict some row failed, 130 cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", metavar="SOURCE")
        parser.add_argument("--dataset", default="", help="name or id; default: the file's name")
        parser.add_argument(
            "--kind", choices=Dataset.Kind.values, help="of a new dataset; default: what the file looks like"
        )
        parser.add_argument(
            "--mapping",
            default="",
            help='JSON, or a file of it: {"kind": "documents", "fields": ["text"], "metadata": ["topic"], …}',
        )
        parser.add_argument(
            "--keep-duplicates", action="store_true", help="import rows again that the dataset has already"
        )
        parser.add_argument(
            "--update", action="store_true", help="a row with the key of a record changes it instead of adding one"
        )
        parser.add_argument(
            "--sheet", default="", help="of a workbook: the sheet to read; default: the first with rows"
        )
        parser.add_argument("--endpoint", default="", help="of s3://…: the address of the store, when it is not AWS")
        for part in ("config", "split", "revision"):
            parser.add_argument(f"--{part}", default="", help=f"of hub:NAME: the {part}")
        parser.add_argument(
            "--from", dest="tool", choices=["label-studio", "argilla"], default="",
            help="the SOURCE is an export of this tool: its questions, annotations and suggestions come along",
        )  # fmt: skip
        parser.add_argument("--labeling-config", default="", metavar="FILE", help="of label-studio: the project's XML")
        parser.add_argument("--people", default="", help='who is who: JSON, or a file of it: {"user 1": "ann"}')
        parser.add_argument(
            "--reviewed-by", default="", metavar="WHO", help="records arrive accepted, marked as reviewed by WHO"
        )
        parser.add_argument("--strict", action="store_true", help="end with code 4 when a row failed")

    def facts(self, job: Any) -> dict[str, Any]:
        return {"dataset": job.dataset_id, **{n: getattr(job, n) for n in ("ok", "updated", "failed", "skipped")}}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        mapping = _mapping(options["mapping"])
        dataset, is_new = _dataset(project, options)
        try:
            job = _begin(dataset, options, any_kind=is_new and not options["kind"])
            if options["reviewed_by"]:
                job.mark_accepted_by = options["reviewed_by"][:120]
                job.save(update_fields=["mark_accepted_by"])
            _move(job, options)
            chosen = importing.mapping_from(mapping) if mapping is not None else None
            importing.confirm_unseen(
                job, chosen, skip_duplicates=not options["keep_duplicates"], update_by_key=options["update"]
            )
        except ValidationError as error:
            if is_new:
                dataset.delete()
            raise Refused(" ".join(error.messages)) from error
        for note in [] if options["json"] else job.source.get("notes", []):
            self.stdout.write(note)
        self.finish(job, options)
        job.refresh_from_db()
        if job.failed and (options["strict"] or not job.ok):
            raise CommandError(
                f"{job.failed:,} of {job.done:,} rows failed: see the import's page, or its issues in the API.",
                returncode=4,
            )


def _move(job: Import, options: dict[str, Any]) -> None:
    """Note how an export of another tool is moved. Raises ValidationError when the file is no such export."""
    tool, found = options["tool"], moving.name_of(job)
    if tool and found.lower().replace(" ", "-") != tool:
        raise ValidationError(f"This is no export of {tool} that can be read: see docs/moving.md.")
    if found:
        try:
            config = Path(options["labeling_config"]).read_text("utf-8") if options["labeling_config"] else ""
        except (OSError, ValueError) as error:
            raise Refused(f"--labeling-config cannot be read: {error}") from error
        moving.wish(job, config=config, people=_json("--people", options["people"]))
        job.save(update_fields=["source"])


def _mapping(given: str) -> Any:
    """The JSON of --mapping, or of the file it names."""
    return _json("--mapping", given)


def _json(option: str, given: str) -> Any:
    if not given:
        return None
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise Refused(f"{option} is neither JSON nor a file of it: {error}") from error


def _dataset(project: Project, options: dict[str, Any]) -> tuple[Dataset, bool]:
    name = (
        options["dataset"]
        or options["source"].split("?")[0].rstrip("/").rsplit("/", 1)[-1].removeprefix("hub:").split(".")[0]
        or "Imported"
    )
    if name.isdigit():
        return find(project.datasets.all(), name, "dataset"), False
    found = project.datasets.filter(name=name).first()
    if found is not None:
        return found, False
    return datasets.create(project, None, name, options["kind"] or Dataset.Kind.CONVERSATIONS), True


def _begin(dataset: Dataset, options: dict[str, Any], any_kind: bool) -> Import:
    source = options["source"]
    more: dict[str, Any] = {"any_kind": any_kind, "sheet": options["sheet"]}
    if source.startswith(("http://", "https://")):
        return importing.begin(dataset, None, url=source, **more)
    if source.startswith("s3://"):
        origin = {"kind": "s3", "address": source, "endpoint": options["endpoint"]}
        return importing.begin(dataset, None, origin=origin, **more)
    if source.startswith("hub:"):
        origin = {"kind": "hub", "name": source[4:], **{n: options[n] for n in ("config", "split", "revision")}}
        return importing.begin(dataset, None, origin=origin, **more)
    path = Path(source)
    if path.is_dir():
        origin = {"kind": "folder", "path": str(path.absolute())}
        return importing.begin(dataset, None, origin=origin, **more)
    if not path.is_file():
        raise ValidationError(f"There is no file {source}.")
    with path.open("rb") as file:
        return importing.begin(dataset, None, file=File(file, name=path.name), name=path.name, **more)
