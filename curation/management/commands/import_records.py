"""The command `manage.py import_records`: imports a file or a URL into a dataset, and waits for the end."""

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.management.base import CommandError, CommandParser

from atelier.accounts.models import Project
from atelier.management.job_command import CommandRefused, JobCommand, find
from atelier.web import border
from curation.datasets import settings
from curation.formats.readers.encodings import NAMES
from curation.formats.readers.layouts import QUOTINGS
from curation.formats.readers.sources import READINGS
from curation.forms import mapping as mapping_forms
from curation.imports import account, drafts, dry_run
from curation.imports.annotated import plan
from curation.imports.notes import notes_of
from curation.models import Dataset, Import


class Command(JobCommand):
    help = (
        "Import a FILE, URL, folder, s3://bucket/prefix or hub:NAME into a dataset, which is created if it does not exist. Formats: JSONL, JSON, CSV, TSV, Parquet, "
        "XLSX, text; gzipped, or a zip of several. Without --mapping the columns are mapped by their names and contents. "
        "Exit codes: 0 done (also when single rows failed), 1 failed, 2 wrong arguments, 4 done, but no row was imported or, with --strict, some row failed, 130 cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", metavar="SOURCE")
        parser.add_argument("--dataset", default="", help="name or id; default: the file's name")
        parser.add_argument(
            "--kind", choices=Dataset.Kind.values, help="of a new dataset; default: detected from the file"
        )
        parser.add_argument(
            "--mapping",
            default="",
            help='JSON, or a file of it: {"kind": "documents", "fields": ["text"], "metadata": ["topic"], …}',
        )
        parser.add_argument("--keep-duplicates", action="store_true", help="import rows that the dataset already has")
        parser.add_argument(
            "--update", action="store_true", help="a row with the ID of a record updates it instead of adding one"
        )
        parser.add_argument(
            "--sheet", default="", help="of a workbook: the sheet to read; default: the first with rows"
        )
        parser.add_argument("--encoding", default="", help=f"of a text file; default: guessed. {', '.join(NAMES)}")
        parser.add_argument(
            "--delimiter", default="", help="of a table of text: a comma, semicolon or pipe, or tab; default: guessed"
        )
        parser.add_argument(
            "--quoting", default="", choices=["", *QUOTINGS], metavar="QUOTING",
            help=f"of a table of text: {', '.join(QUOTINGS)}; default: guessed",
        )  # fmt: skip
        parser.add_argument(
            "--header",
            default="",
            metavar="ROW",
            help="of a table: the row with the names, 0 for none; default: guessed",
        )
        parser.add_argument("--endpoint", default="", help="of s3://…: the URL of the store, if it isn't AWS")
        for part in ("config", "split", "revision"):
            parser.add_argument(f"--{part}", default="", help=f"of hub:NAME: the {part}")
        parser.add_argument(
            "--from", dest="tool", choices=["label-studio", "argilla"], default="",
            help="the SOURCE is an export of this tool; its questions, annotations and suggestions are imported too",
        )  # fmt: skip
        parser.add_argument(
            "--labeling-config", default="", metavar="FILE", help="of label-studio: the project's labelling XML"
        )
        parser.add_argument(
            "--people", default="", help='users of the tool and of this team: JSON or a JSON file: {"user 1": "ann"}'
        )
        parser.add_argument(
            "--reviewed-by", default="", metavar="WHO", help="import records as accepted, marked as reviewed by WHO"
        )
        parser.add_argument("--strict", action="store_true", help="exit with 4 when a row failed")
        parser.add_argument(
            "--check", action="store_true",
            help="check the rows of a file and import nothing (at most 10,000 rows, as many as 5 seconds allow)",
        )  # fmt: skip

    def facts(self, job: Any) -> dict[str, Any]:
        sums = {name: getattr(job, name) for name in ("ok", "updated", "failed", "skipped")}
        return {"dataset": job.dataset_id, **sums, "notes": notes_of(job), "account": account.of(job)}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        mapping = _mapping(options["mapping"])
        dataset, is_new = _dataset(project, options)
        if options["check"]:
            self._check(dataset, is_new, mapping, options)
            return
        try:
            job = _begin(dataset, options, any_kind=is_new and not options["kind"])
            if options["reviewed_by"]:
                job.mark_accepted_by = options["reviewed_by"][:120]
                job.save(update_fields=["mark_accepted_by"])
            _move(job, options)
            chosen = drafts.mapping_from(mapping) if mapping is not None else None
            drafts.confirm_unseen(
                job, chosen, skip_duplicates=not options["keep_duplicates"], update_by_key=options["update"]
            )
        except ValidationError as error:
            if is_new:
                dataset.delete()
            raise CommandRefused(" ".join(error.messages)) from error
        told = [] if options["json"] else notes_of(job)
        for note in told:
            self.stdout.write(note)
        self.finish(job, options)
        job.refresh_from_db()
        if job.is_over and not options["json"]:
            told_now = [note for note in notes_of(job) if note not in told]
            for line in [*told_now, *account.sentences(account.of(job), mapping_forms.CHOICES)]:
                self.stdout.write(line)
        if job.failed and (options["strict"] or not job.ok):
            raise CommandError(
                f"{job.failed:,} of {job.done:,} rows failed. See the import's page, or its issues in the API.",
                returncode=4,
            )

    def _check(self, dataset: Dataset, is_new: bool, mapping: Any, options: dict[str, Any]) -> None:
        """Print how the rows of a file would end; nothing is kept. Exit with 4 as the import would."""
        path = Path(options["source"])
        try:
            if not path.is_file():
                raise ValidationError("Only a file can be checked with --check.")
            chosen = drafts.mapping_from(mapping) if mapping is not None else None
            reading = {name: options[name] for name in READINGS}
            any_kind = is_new and not options["kind"]
            with path.open("rb") as file:
                sent = {"file": File(file, name=path.name), "name": path.name, "reading": reading, "any_kind": any_kind}
                found = dry_run.run(dataset, None, chosen, **sent)
        finally:
            if is_new:
                dataset.delete()
        lines = [*found["notes"], *account.checked(found, mapping_forms.CHOICES)]
        self.stdout.write(json.dumps(found) if options["json"] else "\n".join(lines))
        if found["refused"] and (options["strict"] or found["refused"] == found["checked"]):
            raise CommandError(f"{found['refused']:,} of {found['checked']:,} rows would be rejected.", returncode=4)


def _move(job: Import, options: dict[str, Any]) -> None:
    """Note how another tool's export is imported. Raises ValidationError if the file is no such export."""
    tool, detected = options["tool"], plan.name_of(job)
    if tool and detected.lower().replace(" ", "-") != tool:
        raise ValidationError(f"This isn't a readable export of {tool}. See docs/importing-annotations.md.")
    if detected:
        try:
            config = Path(options["labeling_config"]).read_text("utf-8") if options["labeling_config"] else ""
        except (OSError, ValueError) as error:
            raise CommandRefused(f"--labeling-config cannot be read: {error}") from error
        plan.configure(job, config=config, people=_json("--people", options["people"]))
        job.save(update_fields=["source"])


def _mapping(given: str) -> Any:
    """Return the JSON of --mapping, or of the file it names."""
    return _json("--mapping", given)


def _json(option: str, value: str) -> Any:
    if not value:
        return None
    try:
        text = value if value.lstrip().startswith("{") else Path(value).read_text("utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandRefused(f"{option} is neither JSON nor a JSON file: {error}") from error


def _dataset(project: Project, options: dict[str, Any]) -> tuple[Dataset, bool]:
    name = (
        options["dataset"]
        or options["source"].split("?")[0].rstrip("/").rsplit("/", 1)[-1].removeprefix("hub:").split(".")[0]
        or "Imported"
    )
    if border.whole(name) is not None:
        return find(project.datasets.all(), name, "dataset"), False
    found = project.datasets.filter(name=name).first()
    if found is not None:
        return found, False
    return settings.create(project, None, name, options["kind"] or Dataset.Kind.CONVERSATIONS), True


def _begin(dataset: Dataset, options: dict[str, Any], any_kind: bool) -> Import:
    source = options["source"]
    more: dict[str, Any] = {"any_kind": any_kind, "reading": {name: options[name] for name in READINGS}}
    if source.startswith(("http://", "https://")):
        return drafts.begin(dataset, None, url=source, **more)
    if source.startswith("s3://"):
        origin = {"kind": "s3", "address": source, "endpoint": options["endpoint"]}
        return drafts.begin(dataset, None, origin=origin, **more)
    if source.startswith("hub:"):
        origin = {"kind": "hub", "name": source[4:], **{n: options[n] for n in ("config", "split", "revision")}}
        return drafts.begin(dataset, None, origin=origin, **more)
    path = Path(source)
    if path.is_dir():
        origin = {"kind": "folder", "path": str(path.absolute())}
        return drafts.begin(dataset, None, origin=origin, **more)
    if not path.is_file():
        raise ValidationError(f"{source} does not exist.")
    with path.open("rb") as file:
        return drafts.begin(dataset, None, file=File(file, name=path.name), name=path.name, **more)
