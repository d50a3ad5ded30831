"""REST: comments on records, and mentions."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, newest
from atelier.web.schemas import Body, Id, Router
from curation.access import dataset_or_404
from curation.annotation import comments
from curation.api.paging import DATASET
from curation.models import Comment, Record

router = Router(tags=["agreement and review"])


class CommentIn(Body):
    text: str = Field(max_length=5000)


class ReadIn(Body):
    """The mention to mark as read, or without `mention` all of the project."""

    mention: Id | None = None


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


@router.get(f"{DATASET}/records/{{pk}}/comments", summary="List a record's comments")
def list_comments(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    """Comments of others are left out while you still have to answer the record blind."""
    record = _record(request, project_id, dataset_id, pk, "viewer")
    return [comment_out(one) for one in comments.thread(record, request.user, request.project.role)]


@router.post(f"{DATASET}/records/{{pk}}/comments", response={201: dict}, summary="Comment on a record")
def add_comment(
    request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: CommentIn, key: Key = None
) -> Any:
    """Members who are named with @ are notified. The same `Idempotency-Key` returns the same comment."""
    record = _record(request, project_id, dataset_id, pk, "annotator")
    return Status(201, comment_out(comments.post(record, request.user, body.text, key)))


@router.post(f"{DATASET}/records/{{pk}}/comments/{{comment_id}}/{{move}}", summary="Resolve or reopen a comment")
def settle_comment(
    request: HttpRequest, project_id: int, dataset_id: int, pk: int, comment_id: int, move: Literal["resolve", "reopen"]
) -> Any:
    record = _record(request, project_id, dataset_id, pk, "annotator")
    comment = child_or_404(comments.thread(record, request.user, request.project.role), comment_id)
    comments.resolve(comment, request.user) if move == "resolve" else comments.reopen(comment)
    return comment_out(Comment.objects.select_related("resolved_by").get(pk=comment.pk))


@router.get("/projects/{project_id}/mentions", summary="List your mentions, newest first")
def list_mentions(
    request: HttpRequest, project_id: int, unread: bool = False, limit: Limit = 200, before: Before = None
) -> Any:
    project = project_or_404(request, project_id)
    rows = comments.mentions(request.user, project)
    rows = rows.filter(read_at=None) if unread else rows
    return [
        {"id": mention.pk, "dataset": mention.record.dataset_id, "record": mention.record_id, "line": mention.line, "text": comments.text_for(mention, request.user, project.role),
         "at": mention.at, "read_at": mention.read_at}
        for mention in newest(rows, limit, before)
    ]  # fmt: skip


@router.post("/projects/{project_id}/mentions/read", summary="Mark mentions as read")
def read_mentions(request: HttpRequest, project_id: int, body: ReadIn) -> Any:
    return {"read": comments.read(request.user, project_or_404(request, project_id), body.mention)}
