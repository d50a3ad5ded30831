"""The demo: the loop on the sample, step by step, through the same jobs that the pages start.

Each step first looks for the results of an earlier demo, so that a second one continues from there.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.files import File

from atelier.accounts.models import Membership, Project, Role, User
from atelier.jobs.models import Job, Status
from curation.distillation import drafts as distillation_drafts
from curation.imports import drafts as import_drafts
from curation.models import Dataset, Distillation, Import, Record, Version
from curation.versions import freezes
from inference import endpoints
from inference.evaluations import ledger, scores
from inference.models import Endpoint, Evaluation, EvaluationAnswer
from inference.serving import deployments
from training.bases import offers
from training.models import Adapter, Run
from training.runs import control

SAMPLE = Path(settings.BASE_DIR) / "curation" / "sample"
STUDENT = "smollm2-135m-instruct"
PROJECT = "Plain Desk"
RAW, BRIEFS = "Raw briefs", "Plain Desk briefs"
# The sample has 144 pairs: the shares leave about 115 to learn from and enough unseen ones for an honest figure.
SHARES = {"train": 0.8, "validation": 0.05, "test": 0.15}
READY_SECONDS = 300
TRAINING_MINUTES = 7.5  # on a slow or busy machine the last steps, the smallest, are left out
J = TypeVar("J", bound=Job)


class DemoFailed(RuntimeError):
    """A step that did not end well; the message states which and why."""


@dataclass
class Demo:
    """One run of the loop. `run` waits for a job with a progress bar and returns its exit code; `tick` keeps things alive."""

    run: Callable[[Job], int]
    tick: Callable[[], None]
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    project: Project = field(init=False)
    user: User = field(init=False)

    def walk(self) -> dict[str, Any]:
        """Run all steps. Returns what is written to demo.json. Raises DemoFailed or ValidationError."""
        self.project = self._project()
        with self._step("import"):
            raw = self._import()
        with self._step("distil"):
            briefs = self._distil(raw)
        with self._step("accept"):
            accepted = briefs.records.present().filter(status=Record.Status.ACCEPTED).count()
            self.say(f"{accepted} rewrites are accepted, marked as reviewed by the sample.")
        with self._step("freeze"):
            version = self._freeze(briefs)
        with self._step("student"):
            base = self._student()
        with self._step("train"):
            run = self._train(version)
        with self._step("deploy"):
            pair = self._deploy(run.adapter)
        with self._step("evaluate"):
            found = self._evaluate(version, pair)
        return self._facts(base.folder, version, run, pair, found)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self.say(f"\n{name.capitalize()}")
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)

    def _finish(self, job: J) -> J:
        """Wait until the job is done, no matter who started it. Raises DemoFailed with the job's own words."""
        if job.status in {Status.FAILED, Status.CANCELLED, Status.PAUSED}:
            job.enqueue()
        if job.status != Status.DONE and self.run(job):
            raise DemoFailed(
                f"{job.title} ended as {job.get_status_display().lower()}: {job.error or 'unknown reason.'}"
            )
        self.say(f"{job.title}: {job.line or job.get_status_display()}")
        return job

    def _project(self) -> Project:
        """Return the sample's project, in the first owner's team."""
        membership = Membership.objects.filter(role=Role.OWNER).select_related("team", "user").order_by("pk").first()
        if membership is None:
            raise DemoFailed("No team has an owner yet. Run `manage.py prepare` to create the first owner.")
        self.user = membership.user
        facts = {
            "description": "The sample: raw news briefs, rewritten into the Plain Desk house style",
            "guidelines": (SAMPLE / "style_guide.md").read_text(),
            "student_prompt": (SAMPLE / "student_prompt.txt").read_text().strip(),
            "rules": (SAMPLE / "rules.toml").read_text(),
            "created_by": self.user,
        }
        return Project.objects.get_or_create(team=membership.team, name=PROJECT, defaults=facts)[0]

    def _import(self) -> Dataset:
        raw, _ = Dataset.objects.get_or_create(
            project=self.project,
            name=RAW,
            defaults={"kind": Dataset.Kind.DOCUMENTS, "shares": SHARES, "created_by": self.user},
        )
        job = Import.objects.filter(dataset=raw).exclude(status=Status.DRAFT).order_by("pk").first()
        if job is None:
            with (SAMPLE / "briefs.csv").open("rb") as file:
                job = import_drafts.begin(raw, self.user, file=File(file), name="briefs.csv")
            mapping = import_drafts.mapping_from(job.mapping)
            import_drafts.confirm(job, mapping)
            job.refresh_from_db()
        self._finish(job)
        return raw

    def _distil(self, raw: Dataset) -> Dataset:
        job = Distillation.objects.filter(dataset=raw).order_by("pk").first()
        if job is None:
            teacher = endpoints.from_environment(self.project) or endpoints.make_recorded(
                self.project, "Sample teacher", SAMPLE / "answers.jsonl"
            )
            target = Dataset.objects.filter(project=self.project, name=BRIEFS).first() or Dataset(
                project=self.project, name=BRIEFS, kind=Dataset.Kind.CONVERSATIONS, shares=SHARES
            )
            draft = distillation_drafts.draft(
                self.project, teacher, dataset=raw, target=target, name="Rewrite the briefs", template="{{ text }}",
                system_prompt=self.project.guidelines, student_prompt=self.project.student_prompt,
                sampling={"temperature": 0.3, "max_tokens": 512, "seed": 17}, mark_accepted_by="the sample",
            )  # fmt: skip
            job = distillation_drafts.start(draft, self.user)
        self.say(f"The teacher is {job.teacher_name}.")
        return self._finish(job).target

    def _freeze(self, briefs: Dataset) -> Version:
        version = Version.objects.filter(dataset=briefs).order_by("number").first()
        version = version or freezes.create(briefs, self.user, shares=SHARES, notes="The original sample")
        return self._finish(version)

    def _student(self) -> Any:
        if not offers.store.is_ready(Path(settings.MODELS_DIR), STUDENT):
            self._finish(offers.start_pull(self.project, STUDENT, self.user))
        return offers.note(STUDENT)

    def _train(self, version: Version) -> Run:
        run = Run.objects.filter(version=version).order_by("pk").first()
        if run is None:
            recipe = control.recipe_for(STUDENT, {"max_minutes": TRAINING_MINUTES})
            run = control.start(version, STUDENT, recipe, self.user, "Plain Desk")
        return self._finish(run)

    def _deploy(self, adapter: Adapter) -> tuple[Endpoint, Endpoint]:
        """Deploy base and adapter, and wait until the server serves them."""
        deployment = deployments.deploy(self.project, STUDENT, [adapter])
        pair = (deployment.endpoints.get(adapter=None), deployment.endpoints.get(adapter=adapter))
        deadline, last = time.monotonic() + READY_SECONDS, ""
        while True:
            self.tick()
            deployment.refresh_from_db()
            for endpoint in pair:
                endpoint.refresh_from_db()
            if all(endpoint.is_ready for endpoint in pair):
                self.say(f"{pair[0]} and {pair[1]} answer.")
                return pair
            state = (
                f"{deployment.get_state_display()}: {deployment.message.splitlines()[-1] if deployment.message else ''}"
            )
            if deployment.state == deployment.State.FAILED or time.monotonic() > deadline:
                raise DemoFailed(f"The models are not served ({state}). See {settings.LOG_DIR}/server.log.")
            if deployment.get_state_display() != last:
                last = deployment.get_state_display()
                self.say(f"{last} …")
            time.sleep(0.5)

    def _evaluate(self, version: Version, pair: tuple[Endpoint, Endpoint]) -> Evaluation:
        evaluation = (
            Evaluation.objects.filter(version=version, split="test", name="Base against tuned").order_by("pk").first()
        )
        evaluation = evaluation or ledger.create(version, self.user, pair, name="Base against tuned")
        if evaluation.is_over:
            evaluation.retry()  # asks again for what failed; nothing, when nothing did
            evaluation.refresh_from_db()
        self._finish(evaluation)
        missing = evaluation.answers.exclude(outcome=EvaluationAnswer.Outcome.OK)
        if missing.exists():
            raise DemoFailed(f"{missing.count()} answers are missing, the first because: {missing[0].reason}")
        return evaluation

    def _facts(
        self, base_dir: Path, version: Version, run: Run, pair: tuple[Endpoint, Endpoint], evaluation: Evaluation
    ) -> dict[str, Any]:
        tuned = pair[1]
        return {
            "project": self.project.pk, "version": version.pk, "version_hash": version.content_hash, "rows": version.counts(),
            "run": run.pk, "adapter": run.adapter.pk, "evaluation": evaluation.pk,
            "endpoints": {"base": pair[0].pk, "tuned": tuned.pk},
            "base_dir": str(base_dir), "adapter_dir": str(run.adapter.path), "system_prompt": run.adapter.system_prompt,
            "training": run.summary, "scores": evaluation.scores, "seconds": self.seconds,
            "table": [
                {"measure": line.label, "base": line.cells[0].text, "tuned": line.cells[1].text}
                for line in scores.table(evaluation)
            ],
        }  # fmt: skip


def write(facts: dict[str, Any]) -> Path:
    """Write the facts where scripts find them."""
    path = Path(settings.DATA_DIR) / "demo.json"
    path.write_text(json.dumps(facts, indent=1, default=str) + "\n")
    return path
