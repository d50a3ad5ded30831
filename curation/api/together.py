"""REST: agreement, disagreements and their settling, reviewing, honeypots, progress, comments and mentions."""

from datetime import date
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation.annotation import adjudication, agreeing, comments, honeypots, progress, reviewing
from curation.api.fetching import dataset_or_404
from curation.models import AgreementReport, Annotation, Comment, Dataset, Record, Task

router = Router(tags=["annotating together"])
After = Query(0, ge=0, lt=2**63)
Size = Query(50, ge=1, le=500)
STRICT = {"extra": "forbid"}
DATASET = "/projects/{project_id}/datasets/{dataset_id}"


class DecisionIn(Schema):
    """The answers that shall stand, by the questions' names, and why."""

    model_config = STRICT
    answers: dict[str, Any]
    note: str = Field("", max_length=500)


class NoteIn(Schema):
    model_config = STRICT
    note: str = Field(max_length=1000)


class HoneypotIn(Schema):
    model_config = STRICT
    record: int
    answers: dict[str, Any]


class HoneypotsIn(Schema):
    """At most 1,000 at once."""

    model_config = STRICT
    honeypots: list[HoneypotIn]


class CommentIn(Schema):
    model_config = STRICT
    text: str = Field(max_length=5000)


class ReadIn(Schema):
    """One mention, or without `mention` all of the project."""

    model_config = STRICT
    mention: int | None = None


def _paged(rows: list[Any], limit: int, out: Any) -> dict[str, Any]:
    shown = rows[:limit]
    return {"items": [out(one) for one in shown], "next": shown[-1].pk if len(rows) > limit else None}


# --- agreement -------------------------------------------------------------------------------------


def report_out(job: AgreementReport) -> dict[str, Any]:
    return job_out(job) | {
        "dataset": job.dataset_id,
        "since": job.since,
        "until": job.until,
        "figures": job.figures or None,
    }


@router.get(f"{DATASET}/agreement", summary="How well people agree")
def get_agreement(
    request: HttpRequest, project_id: int, dataset_id: int, since: date | None = None, until: date | None = None
) -> Any:
    """Measured now up to 2,000 answers; above that the newest report, null before there is one."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    if agreeing.is_small(dataset, since, until):
        return {"figures": agreeing.figures(dataset, since, until), "measured_at": None}
    report = agreeing.last_done(dataset, since, until)
    return {"figures": report and report.figures, "measured_at": report and report.finished_at}


@router.post(f"{DATASET}/agreement", response={202: dict}, summary="Measure many answers in the background")
def measure_agreement(
    request: HttpRequest, project_id: int, dataset_id: int,
    since: date | None = None, until: date | None = None, key: Key = None,
) -> Any:  # fmt: skip
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    job = agreeing.begin(dataset, request.user, since, until, key=key)
    if job.status == AgreementReport.Status.QUEUED:
        queue.wake(job)
    return Status(202, report_out(job))


@router.get("/projects/{project_id}/agreement/{pk}", summary="How a measurement stands")
def get_report(request: HttpRequest, project_id: int, pk: int) -> Any:
    return report_out(child_or_404(project_or_404(request, project_id).agreementreports, pk))


# --- disagreements ---------------------------------------------------------------------------------


def dispute_out(task: Task) -> dict[str, Any]:
    issues = adjudication.issues(task)
    return {
        "id": task.pk,
        "record": task.record_id,
        "state": task.state,
        "questions": [
            {
                "name": issue.question.name,
                "differs": issue.differs,
                "answers": [{"annotation": one.pk, "value": one.value, "people": one.people} for one in issue.said],
            }
            for issue in issues
        ],
        "stands": task.answers if task.state == Task.State.DONE else None,
        "settled_by": task.settled_by.username if task.settled_by else None,
        "note": task.settled_note,
        "settled_at": task.settled_at,
    }


def _task(dataset: Dataset, pk: int) -> Task:
    tasks = Task.objects.filter(queue__dataset=dataset, known__isnull=True).exclude(state=Task.State.OPEN)
    task = child_or_404(tasks.select_related("queue", "record", "settled_by"), pk)
    task.queue.dataset = dataset
    return task


@router.get(f"{DATASET}/disputes", summary="Records whose answers differ")
def list_disputes(request: HttpRequest, project_id: int, dataset_id: int, after: int = After, limit: int = Size) -> Any:
    """By keys: ask again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    rows = adjudication.disputed(dataset).filter(pk__gt=after).select_related("queue__dataset", "settled_by")
    return _paged(list(rows.order_by("pk")[: limit + 1]), limit, dispute_out)


@router.get(f"{DATASET}/disputes/{{pk}}", summary="One record's answers, and what stands")
def get_dispute(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    return dispute_out(_task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk))


@router.post(f"{DATASET}/disputes/{{pk}}/settle", summary="Decide which answers stand")
def settle_dispute(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: DecisionIn) -> Any:
    """Safe to repeat: the same decision again changes nothing. 422 when somebody else decided otherwise meanwhile."""
    task = _task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk)
    again = task.state == Task.State.DONE and task.settled_by == request.user and task.answers == body.answers
    return dispute_out(task if again else adjudication.decide(task, request.user, body.answers, body.note))


@router.post(f"{DATASET}/disputes/{{pk}}/undo", summary="Take a decision back")
def undo_dispute(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    task = _task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk)
    return dispute_out(adjudication.reopen(task, request.user))


# --- reviewing -------------------------------------------------------------------------------------


def reviewed_out(annotation: Annotation) -> dict[str, Any]:
    facts = ("id", "author", "state", "answers", "seconds", "review", "review_note", "reviewed_at", "submitted_at")
    by = annotation.reviewed_by.username if annotation.reviewed_by else None
    return {name: getattr(annotation, name) for name in facts} | {"record": annotation.record_id, "reviewed_by": by}


@router.get(f"{DATASET}/reviewing", summary="Answers to review")
def list_reviewing(
    request: HttpRequest, project_id: int, dataset_id: int, person: str = "", question: str = "",
    review: Literal["none", "accepted", "corrected", "all"] = "none", after: int = After, limit: int = Size,
) -> Any:  # fmt: skip
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    which = {"none": "", "all": None}.get(review, review)
    rows = reviewing.waiting(dataset, person[:150], question[:60], which)
    return _paged(list(rows.filter(pk__gt=after)[: limit + 1]), limit, reviewed_out)


def _submitted(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Annotation:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return child_or_404(reviewing.waiting(dataset, review=None), pk)


@router.post(f"{DATASET}/reviewing/{{pk}}/accept", summary="Accept an answer")
def accept(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    return reviewed_out(reviewing.accept(_submitted(request, project_id, dataset_id, pk), request.user))


@router.post(f"{DATASET}/reviewing/{{pk}}/return", summary="Send an answer back, with what to do better")
def send_back(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: NoteIn) -> Any:
    annotation = _submitted(request, project_id, dataset_id, pk)
    return reviewed_out(reviewing.send_back(annotation, request.user, body.note))


@router.post(f"{DATASET}/reviewing/{{pk}}/correct", summary="Let other answers stand")
def correct(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: DecisionIn) -> Any:
    annotation = _submitted(request, project_id, dataset_id, pk)
    return reviewed_out(reviewing.correct(annotation, request.user, body.answers, body.note))


# --- honeypots, progress ---------------------------------------------------------------------------


@router.get(f"{DATASET}/honeypots", summary="Records with known answers")
def list_honeypots(
    request: HttpRequest, project_id: int, dataset_id: int, after: int = After, limit: int = Size
) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return _paged(list(honeypots.of(dataset).filter(pk__gt=after)[: limit + 1]), limit, _honeypot_out)


def _honeypot_out(task: Any) -> dict[str, Any]:
    facts = {"id": task.pk, "record": task.record_id, "answers": task.known, "right": task.right, "wrong": task.wrong}
    return facts | {"is_given": task.state == Task.State.OPEN}


@router.post(f"{DATASET}/honeypots", summary="Make honeypots of records")
def put_honeypots(request: HttpRequest, project_id: int, dataset_id: int, body: HoneypotsIn) -> Any:
    """All or none. Safe to repeat: sent again, the known answers are replaced."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return {"stored": honeypots.mark(dataset, [one.dict() for one in body.honeypots])}


@router.delete(f"{DATASET}/honeypots/{{pk}}", response={204: None}, summary="Give a honeypot no more")
def end_honeypot(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    honeypots.retire(child_or_404(honeypots.of(dataset), pk))
    return Status(204, None)


@router.get(f"{DATASET}/progress", summary="How far people are")
def get_progress(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """Editors see everybody, annotators themselves. Times in seconds, shares from 0 to 1."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    only = None if request.project.role.covers("editor") else request.user
    names = (
        "name",
        "done",
        "skipped",
        "returned",
        "median",
        "p90",
        "agreement",
        "compared",
        "accuracy",
        "interval",
        "judged",
    )
    return [{name: getattr(one, name) for name in names} for one in progress.people(dataset.project, dataset, only)]


# --- comments, mentions ----------------------------------------------------------------------------


def comment_out(comment: Comment) -> dict[str, Any]:
    by = comment.resolved_by.username if comment.resolved_by else None
    facts = {
        "id": comment.pk,
        "record": comment.record_id,
        "author": comment.author,
        "text": comment.text,
        "at": comment.at,
    }
    return facts | {"resolved_at": comment.resolved_at, "resolved_by": by}


def _record(request: HttpRequest, project_id: int, dataset_id: int, pk: int, needs: str) -> Record:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=needs)
    record: Record = child_or_404(dataset.records.present(), pk)
    record.dataset = dataset
    return record


@router.get(f"{DATASET}/records/{{pk}}/comments", summary="The comments on a record")
def list_comments(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    """Those of others are left out while you are still to answer the record blind."""
    record = _record(request, project_id, dataset_id, pk, "viewer")
    return [comment_out(one) for one in comments.thread(record, request.user, request.project.role)]


@router.post(f"{DATASET}/records/{{pk}}/comments", response={201: dict}, summary="Comment on a record")
def add_comment(
    request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: CommentIn, key: Key = None
) -> Any:
    """Members who are named with @ are told. The same `Idempotency-Key` gives your same comment."""
    record = _record(request, project_id, dataset_id, pk, "annotator")
    return Status(201, comment_out(comments.post(record, request.user, body.text, key)))


@router.post(
    f"{DATASET}/records/{{pk}}/comments/{{comment_id}}/{{move}}", summary="Resolve a comment, or open it again"
)
def settle_comment(
    request: HttpRequest, project_id: int, dataset_id: int, pk: int, comment_id: int, move: Literal["resolve", "reopen"]
) -> Any:
    record = _record(request, project_id, dataset_id, pk, "annotator")
    comment = child_or_404(comments.thread(record, request.user, request.project.role), comment_id)
    comments.resolve(comment, request.user) if move == "resolve" else comments.reopen(comment)
    return comment_out(Comment.objects.select_related("resolved_by").get(pk=comment.pk))


@router.get("/projects/{project_id}/mentions", summary="What you were told, the newest first")
def list_mentions(
    request: HttpRequest, project_id: int, unread: bool = False, limit: Limit = 200, before: Before = None
) -> Any:
    project = project_or_404(request, project_id)
    rows = comments.mentions(request.user, project)
    rows = rows.filter(read_at=None) if unread else rows
    return [
        {"id": one.pk, "dataset": one.record.dataset_id, "record": one.record_id, "line": one.line, "text": comments.text_for(one, request.user, project.role),
         "at": one.at, "read_at": one.read_at}
        for one in newest(rows, limit, before)
    ]  # fmt: skip


@router.post("/projects/{project_id}/mentions/read", summary="Mark what you were told as read")
def read_mentions(request: HttpRequest, project_id: int, body: ReadIn) -> Any:
    return {"read": comments.read(request.user, project_or_404(request, project_id), body.mention)}
