"""Let a teacher write an answer for each record of a dataset."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from atelier.accounts.models import Project
from atelier.management.job_command import JobCommand, Refused, find
from curation import authors, distillation
from curation.models import Dataset, Distillation
from inference import endpoints


class Command(JobCommand):
    help = (
        "Ask a teacher about the records of a dataset and keep the answers as conversations in another. "
        "Ends with 0 when done, 1 when it failed, 3 when it paused (the budget is spent), 130 when cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name of the dataset whose records are asked about")
        parser.add_argument("--teacher", default="", help="id or name of an endpoint; else the first teacher there is")
        parser.add_argument("--into", default="", help="name of the dataset for the answers; made when it is not there")
        parser.add_argument(
            "--template", default="", help='Jinja over the columns, as "{{ text }}"; else the longest column'
        )
        parser.add_argument(
            "--system-prompt", type=Path, help="file with the teacher's system prompt; else the guidelines"
        )
        parser.add_argument("--student-prompt", help="system prompt kept in the conversations; else the project's")
        parser.add_argument(
            "--status", default="", help="only records of this status: new, accepted, rejected, skipped"
        )
        parser.add_argument(
            "--again", action="store_true", help="ask also about records that have an answer in the target"
        )
        parser.add_argument("--limit", type=int, help="at most so many records")
        parser.add_argument("--budget", help="stop before this much is spent, in the currency of the teacher's prices")
        parser.add_argument("--concurrency", type=int, default=8, help="calls at once, 1 to 64 (8)")
        parser.add_argument("--temperature", type=float, default=0.3, help="0 to 2 (0.3)")
        parser.add_argument("--max-tokens", type=int, default=1024, help="of an answer (1024)")
        parser.add_argument("--seed", type=int, help="of the sampling")
        parser.add_argument("--accepted-by", default="", help='accept the answers in this name, as "the sample"')

    def facts(self, job: Any) -> dict[str, Any]:
        return {"target": job.target_id}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        job = distillation.start(self._draft(project, options), None)
        self.finish(job, options)

    def _draft(self, project: Project, options: dict[str, Any]) -> Distillation:
        dataset = find(project.datasets, options["dataset"], "dataset")
        student = options["student_prompt"]
        return distillation.draft(
            project, _teacher(project, options["teacher"]), dataset=dataset, name="",
            target=_target(dataset, options["into"]), budget=_budget(options["budget"]),
            template=options["template"] or authors.suggested_template(dataset),
            concurrency=options["concurrency"],
            system_prompt=_prompt(project, options["system_prompt"]), limit=options["limit"],
            student_prompt=project.student_prompt if student is None else student,
            mark_accepted_by=options["accepted_by"],
            sampling={name: options[name] for name in ("temperature", "max_tokens", "seed")},
            filters={"status": options["status"], "unanswered": not options["again"]},
        )  # fmt: skip


def _teacher(project: Project, wanted: str) -> Any:
    teachers = endpoints.teachers(project)
    teacher = find(teachers, wanted, "teacher") if wanted else teachers.first()
    if teacher is None:
        raise Refused("The project has no teacher yet: add one under Settings, Endpoints.")
    return teacher


def _target(dataset: Dataset, name: str) -> Dataset:
    name = name or f"{dataset.name[:100]}, answered"
    found = dataset.project.datasets.filter(name=name).first()
    return found or Dataset(project=dataset.project, name=name, shares=dataset.shares, seed=dataset.seed)


def _prompt(project: Project, path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8") if path else project.guidelines
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"The system prompt cannot be read from {path}: {error}.") from error


def _budget(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise Refused(f"The budget must be a number such as 2.50, not {text!r}.") from None
