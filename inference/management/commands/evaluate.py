"""Run a version's split through endpoints and score the answers."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from atelier.management.job_command import JobCommand, Refused, find
from curation import versions
from curation.chat import Sampling
from curation.models.versions import SPLITS
from inference import evaluation, scores
from inference.models import Evaluation


class Command(JobCommand):
    help = (
        "Ask endpoints the prompts of a version's split and score what they answer: by the rules, against the reference, and by speed. "
        "The first endpoint is what the others are measured by. Ends with 0 when it is done, 1 when it failed, 3 when it was paused, "
        "130 when it was cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument(
            "--endpoint",
            action="append",
            required=True,
            metavar="NAME",
            help="id or name; give it once for each endpoint",
        )
        parser.add_argument("--split", default="test", choices=SPLITS, help="the split to ask (default: test)")
        parser.add_argument("--name", default="", help="what the evaluation is called")
        parser.add_argument("--system-prompt", default="", help="instead of the one in the version's conversations")
        parser.add_argument("--rules", default=None, metavar="FILE", help="TOML file of rules instead of the project's")
        parser.add_argument("--limit", type=int, default=None, help="at most so many rows")
        parser.add_argument(
            "--concurrency", type=int, default=8, help="questions in flight for each endpoint (default: 8)"
        )
        greedy = evaluation.GREEDY
        parser.add_argument(
            "--temperature", type=float, default=greedy.temperature, help="default: 0, always the likeliest word"
        )
        parser.add_argument("--top-p", type=float, default=greedy.top_p)
        parser.add_argument(
            "--max-tokens", type=int, default=greedy.max_tokens, help="length of an answer (default: 256)"
        )
        parser.add_argument("--seed", type=int, default=None)

    def facts(self, job: Any) -> dict[str, Any]:
        return {"entrants": job.entrants, "scores": job.scores}

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        chosen = [find(project.endpoints.filter(archived_at=None), name, "endpoint") for name in options["endpoint"]]
        sampling = Sampling(*(options[name] for name in ("temperature", "top_p", "max_tokens", "seed")))
        job = evaluation.create(
            versions.named(project, options["version"]),
            None,
            chosen,
            split=options["split"],
            name=options["name"],
            system_prompt=options["system_prompt"],
            sampling=sampling,
            rules=self._rules(options["rules"]),
            limit=options["limit"],
            concurrency=options["concurrency"],
        )
        self.finish(job, options)
        job.refresh_from_db()
        if not options["json"] and job.scores:
            self._print(job)

    def _rules(self, path: str | None) -> str | None:
        try:
            return None if path is None else Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The rules cannot be read from {path}: {error}") from error

    def _print(self, job: Evaluation) -> None:
        table = Table("Measure", *(entrant["name"] for entrant in job.entrants), title=job.name)
        for line in scores.table(job):
            table.add_row(
                line.label, *(" ".join(filter(None, (cell.text, cell.clear and cell.gain))) for cell in line.cells)
            )
        Console(file=self.stdout._out).print(table)
