"""The command `manage.py distil`: lets a teacher write an answer for each record of a dataset."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from atelier.accounts.models import Project
from atelier.management.job_command import CommandRefused, JobCommand, find
from curation.distillation import drafts, prompts
from curation.models import Dataset, Distillation
from inference import endpoints


class Command(JobCommand):
    help = "Have a teacher answer the records of a dataset and save the answers as conversations in another. Exit codes: 0 done, 1 failed, 3 paused (the budget is spent), 130 cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name of the dataset whose records the teacher answers")
        parser.add_argument("--teacher", default="", help="id or name of an endpoint; default: the first teacher")
        parser.add_argument(
            "--into", default="", help="name of the dataset for the answers; created if it does not exist"
        )
        parser.add_argument(
            "--template", default="", help='Jinja over the columns, such as "{{ text }}"; default: the longest column'
        )
        parser.add_argument(
            "--system-prompt", type=Path, help="file with the teacher's system prompt; default: the guidelines"
        )
        parser.add_argument("--student-prompt", help="system prompt saved in the conversations; default: the project's")
        parser.add_argument("--thoughts", action="store_true", help="save the teacher's reasoning in the conversations")
        parser.add_argument(
            "--status", default="", help="only records of this status: new, accepted, rejected, skipped"
        )
        parser.add_argument(
            "--again", action="store_true", help="include records that already have an answer in the target"
        )
        parser.add_argument("--limit", type=int, help="limit of records")
        parser.add_argument("--budget", help="pause before this much is spent, in the currency of the teacher's prices")
        parser.add_argument("--concurrency", type=int, default=8, help="parallel requests, 1 to 64 (default: 8)")
        parser.add_argument("--temperature", type=float, default=0.3, help="0 to 2 (0.3)")
        parser.add_argument("--max-tokens", type=int, default=1024, help="max tokens of an answer (default: 1024)")
        parser.add_argument("--seed", type=int, help="seed of the sampling, sent to the teacher")
        parser.add_argument("--accepted-by", default="", help='accept the answers in this name, as "the sample"')

    def facts(self, job: Any) -> dict[str, Any]:
        return {"target": job.target_id}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        job = drafts.start(self._draft(project, options), None)
        self.finish(job, options)

    def _draft(self, project: Project, options: dict[str, Any]) -> Distillation:
        dataset = find(project.datasets, options["dataset"], "dataset")
        student = options["student_prompt"]
        return drafts.draft(
            project, _teacher(project, options["teacher"]), dataset=dataset, name="",
            target=_target(dataset, options["into"]), budget=_budget(options["budget"]),
            template=options["template"] or prompts.suggested_template(dataset),
            concurrency=options["concurrency"],
            system_prompt=_prompt(project, options["system_prompt"]), limit=options["limit"],
            student_prompt=project.student_prompt if student is None else student,
            keep_thoughts=options["thoughts"],
            mark_accepted_by=options["accepted_by"],
            sampling={name: options[name] for name in ("temperature", "max_tokens", "seed")},
            filters={"status": options["status"], "unanswered": not options["again"]},
        )  # fmt: skip


def _teacher(project: Project, wanted: str) -> Any:
    teachers = endpoints.teachers(project)
    teacher = find(teachers, wanted, "teacher") if wanted else teachers.first()
    if teacher is None:
        raise CommandRefused("The project has no teacher yet. Add one under Settings, Endpoints.")
    return teacher


def _target(dataset: Dataset, name: str) -> Dataset:
    name = name or f"{dataset.name[:100]}, answered"
    found = dataset.project.datasets.filter(name=name).first()
    return found or Dataset(project=dataset.project, name=name, shares=dataset.shares, seed=dataset.seed)


def _prompt(project: Project, path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8") if path else project.guidelines
    except (OSError, UnicodeDecodeError) as error:
        raise CommandRefused(f"The system prompt cannot be read from {path}: {error}.") from error


def _budget(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise CommandRefused(f"The budget must be a number such as 2.50, not {text!r}.") from None
