"""A project in which something of every kind exists, and the ids that the names in addresses stand for."""

import re
from typing import Any

from django.core.management.color import no_style
from django.db import connection
from django.utils.module_loading import import_string

from atelier.accounts import invitations
from atelier.accounts.models import APIKey, Invitation, Membership, Project, User
from atelier.deletions.models import ProjectDeletion
from atelier.jobs import queue
from curation.models import (
    AgreementReport,
    Annotation,
    BulkAction,
    Change,
    Check,
    Comment,
    Dataset,
    Deletion,
    Distillation,
    Erasure,
    Export,
    Generation,
    Import,
    ImportIssue,
    Mention,
    Question,
    Record,
    SavedFilter,
    Selection,
    SpanTrail,
    Task,
    Version,
)
from curation.quality import problems
from curation.records import derived
from inference.models import Comparison, Deployment, Endpoint, Evaluation, EvaluationAnswer, Reply, Turn
from tests.guides.tour import Tour, the_whole
from tests.inference.asking import comparing, said
from tests.inference.models_fixtures import SLUG, make_adapter
from training.models import Pull, Run

# The word before an id in an address, or the name of an id in a body: what it is an id of.
KINDS: dict[str, Any] = {
    "projects": Project, "data": Dataset, "annotate": Dataset, "datasets": Dataset, "imports": Import, "issues": ImportIssue,
    "exports": Export, "bulk": BulkAction, "deletions": Deletion, "erasures": Erasure, "spans": SpanTrail, "aside": SpanTrail, "records": Record, "restore": Change, "tasks": Annotation,
    "annotations": Annotation, "questions": Question, "disagreements": Task, "honeypots": Task, "reviewing": Annotation,
    "reports": AgreementReport, "agreement": AgreementReport, "comments": Comment, "distil": Distillation,
    "distillations": Distillation, "ledger": Generation, "versions": Version, "since": Version, "checks": Check, "filters": SavedFilter,
    "selections": Selection, "points": Record, "train": Run, "runs": Run, "downloads": Pull, "pulls": Pull, "models": Deployment,
    "deployments": Deployment, "compare": Comparison, "comparisons": Comparison, "turns": Turn, "replies": Reply,
    "evaluate": Evaluation, "evaluations": Evaluation, "answers": EvaluationAnswer, "endpoints": Endpoint, "webhooks": None,
    "deliveries": None, "teams": None, "keys": APIKey, "members": Membership, "invitations": Invitation, "duplicates": None, "mentions": Mention,
}  # fmt: skip
IN_BODIES = {
    "dataset": "datasets", "version": "versions", "teacher": "endpoints", "record": "records", "mention": "mentions",
    "endpoints": "endpoints", "adapters": "adapters", "winner": "replies", "adapter": "adapters", "beside": "annotations",
    "import": "imports", "ids": "records", "order": "questions",
}  # fmt: skip


class World:
    """The project of the tour with further objects added."""

    def __init__(self, project: Project, people: list[User], url: str) -> None:
        self.project, self.owner = project, people[0]
        self.keys = {user.username: APIKey.issue(project.team, user, "fuzz")[1] for user in people}
        self.tour = Tour(self.keys, project.pk)
        self.dataset = int(the_whole(self.tour).rsplit("/", 1)[1])
        self._beside(people[0], url)
        self.ids = self._ids()
        fixable = [group.code for group in problems.groups(Dataset.objects.get(pk=self.dataset)) if group.fixable]
        self.words = {"code": fixable[0], "span": "abcdef012345"}

    def _beside(self, owner: User, url: str) -> None:
        invitations.invite(self.project.team, owner, "somebody", "viewer")
        adapter = make_adapter(self.project)
        Pull.objects.create(project=self.project, slug=SLUG, status="failed")
        deployment = Deployment.objects.create(project=self.project, base=SLUG)
        deployment.adapters.add(adapter)
        said(comparing(self.project, owner, url), owner)
        self.adapter = adapter.pk
        here = Dataset.objects.get(pk=self.dataset)
        fixable = [{"role": "user", "content": "Who said so?"}, {"role": "assistant", "content": "It wasnâ€™t me."}]
        derived.complete(Record(dataset=here, messages=fixable), here).save()
        words = {"id": "abcdef012345", "start": 0, "end": 2, "label": "x", "words": "It", "text_hash": "", "base": ""}
        SpanTrail.objects.create(
            record=here.records.present().first(),
            question=here.questions.first(),
            holder="known",
            aside=[words],
            aside_count=1,
        )
        Erasure.objects.create(project=self.project, dataset=here, status="failed", reason="Asked", actor="alice")
        self.tour("bob", "POST /exports", {"dataset": self.dataset, "format": "chat"}, status=202)

    def _ids(self) -> dict[str, int]:
        here = Dataset.objects.get(pk=self.dataset)
        own: dict[Any, Any] = {
            Project: self.project, Dataset: here, Record: here.records.present().order_by("pk").first(), Version: here.versions.first(),
            Task: Task.objects.filter(queue__dataset=here, state=Task.State.DONE).first(),
            Annotation: Annotation.objects.filter(user=self.owner, task__queue__dataset=here, state="submitted").first(),
            Endpoint: Endpoint.objects.filter(url__gt="").first(), Import: here.imports.filter(issues__isnull=False).first(),
        }  # fmt: skip
        found = {word: own.get(kind) or kind.objects.order_by("pk").last() for word, kind in KINDS.items() if kind}
        changed = Change.objects.filter(record__dataset=here).order_by("-pk").first()
        comment = Comment.objects.create(record=changed.record, user=self.owner, author="alice", text="A word")
        Record.objects.filter(pk=changed.record_id).update(cluster=changed.record_id)
        ids = {word: row.pk for word, row in found.items() if row is not None}
        hook = self.project.webhooks.order_by("pk").first()
        issue = found["imports"].issues.first()
        ids |= {"webhooks": hook.pk, "deliveries": hook.deliveries.first().pk, "teams": self.project.team_id}
        ids |= {
            "duplicates": changed.record_id,
            "adapters": self.adapter,
            "records": changed.record_id,
            "restore": changed.pk,
        }
        ids |= {
            "comments": comment.pk,
            "issues": issue.pk,
            "honeypots": Task.objects.filter(known__isnull=False).first().pk,
        }
        # The end of a project has the same word in its address as the end of a dataset: both get the same id.
        ProjectDeletion.objects.create(pk=ids["deletions"], team=self.project.team, name="Gone", status="failed")
        with connection.cursor() as cursor:  # PostgreSQL would give the next one the same id
            for sql in connection.ops.sequence_reset_sql(no_style(), [ProjectDeletion]):
                cursor.execute(sql)
        others = Annotation.objects.filter(task__queue__dataset=here, state="submitted").exclude(user=self.owner)
        ids |= {"reviewing": others.first().pk, "keys": APIKey.objects.filter(user=self.owner).first().pk}
        return ids

    def address(self, route: str) -> str:
        """Return a path template of the API, `/a/{id}`, with ids that exist; what is no id stays as it is."""
        parts = route.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{") and parts[place - 1] in self.ids:
                parts[place] = str(self.ids[parts[place - 1]])
        return "/".join(parts)

    def lacking(self, routes: list[str]) -> set[str]:
        """Return the words before an id for which the world holds nothing."""
        return {
            word
            for route in routes
            for word in re.findall(r"([\w-]+)/(?:\{\w*(?:id|pk|other)\}|<int:|\(\?P<\w+>\\d)", route)
        } - set(self.ids)


def at_once(monkeypatch: Any) -> None:
    """Run jobs as soon as they are queued."""
    monkeypatch.setattr(queue, "wake", lambda job: import_string(type(job).task)(job.pk))
