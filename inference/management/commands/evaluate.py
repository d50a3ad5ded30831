"""The command `manage.py evaluate`: has endpoints answer a version's split and scores the answers."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from atelier.management.job_command import CommandRefused, JobCommand, find
from curation.chat import Sampling
from curation.models.versions import SPLITS
from curation.versions import freezes
from inference.evaluations import ledger, scores
from inference.models import Evaluation


class Command(JobCommand):
    help = "Send the prompts of a version's split to endpoints and score their answers: by the rules, against the reference, and by speed. The first endpoint is the baseline. Exit codes: 0 done, 1 failed, 3 paused, 130 cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument(
            "--endpoint",
            action="append",
            required=True,
            metavar="NAME",
            help="id or name; repeat for each endpoint",
        )
        parser.add_argument("--split", default="test", choices=SPLITS, help="the split to ask (default: test)")
        parser.add_argument("--name", default="", help="name of the evaluation")
        parser.add_argument(
            "--system-prompt",
            default="",
            help="for every endpoint; without it an adapter is sent the one that it was trained with, others that of the version's conversations",
        )
        parser.add_argument(
            "--prompt-of",
            action="append",
            nargs=2,
            default=[],
            metavar=("NAME", "FILE"),
            help="the system prompt of one endpoint, from a file; repeat for others",
        )
        parser.add_argument("--rules", default=None, metavar="FILE", help="TOML file of rules instead of the project's")
        parser.add_argument("--limit", type=int, default=None, help="limit of rows")
        parser.add_argument(
            "--concurrency", type=int, default=8, help="parallel requests for each endpoint (default: 8)"
        )
        greedy = ledger.GREEDY
        parser.add_argument(
            "--temperature", type=float, default=greedy.temperature, help="default: 0, always the most likely token"
        )
        parser.add_argument("--top-p", type=float, default=greedy.top_p)
        parser.add_argument(
            "--max-tokens", type=int, default=greedy.max_tokens, help="max tokens of an answer (default: 256)"
        )
        parser.add_argument("--seed", type=int, default=None)

    def facts(self, job: Any) -> dict[str, Any]:
        return {"entrants": job.entrants, "scores": job.scores, "warnings": scores.warnings(job)}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        endpoints = project.endpoints.filter(archived_at=None)
        chosen = [find(endpoints, name, "endpoint") for name in options["endpoint"]]
        sampling = Sampling(*(options[name] for name in ("temperature", "top_p", "max_tokens", "seed")))
        job = ledger.create(
            freezes.named(project, options["version"]),
            None,
            chosen,
            split=options["split"],
            name=options["name"],
            system_prompt=options["system_prompt"],
            prompts={
                find(endpoints, name, "endpoint").pk: _text(path, "The system prompt")
                for name, path in options["prompt_of"]
            },
            sampling=sampling,
            rules=None if options["rules"] is None else _text(options["rules"], "The rules"),
            limit=options["limit"],
            concurrency=options["concurrency"],
        )
        self.finish(job, options)
        job.refresh_from_db()
        if not options["json"] and job.scores:
            self._print(job)

    def _print(self, job: Evaluation) -> None:
        table = Table("Measure", *(entrant["name"] for entrant in job.entrants), title=job.name)
        for line in scores.table(job):
            table.add_row(
                line.label,
                *(
                    " ".join(filter(None, (cell.text, cell.certainty and f"({cell.gain}, {cell.certainty})")))
                    for cell in line.cells
                ),
            )
        Console(file=self.stdout._out).print(table)
        for sentence in scores.warnings(job):
            self.stdout.write(sentence)


def _text(path: str, what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandRefused(f"{what} cannot be read from {path}: {error}") from error
