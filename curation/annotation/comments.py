"""Comments on a record: a thread, people mentioned with @ who are notified, and whether it is resolved."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from atelier.accounts.models import Project, Role, User
from atelier.jobs.once import once
from atelier.web import border
from curation.models import Annotation, Comment, Mention, Record, Task

MOST = 5_000  # characters
OFFERED = 8
NAMED = re.compile(r"(?<![\w@.+-])@([\w.@+-]{1,150})")
_OPEN_END = re.compile(r"(?:^|\s)@([\w.@+-]{0,150})$")


def post(record: Record, user: User, text: str, key: str | None = None) -> Comment:
    """Add a comment at the end of the thread and notify the members of the team who are mentioned. Raises ValidationError.

    The same idempotency key of the same person returns the same comment.
    """

    def make() -> Comment:
        body = border.text(text, "The comment").replace("\r\n", "\n").replace("\r", "\n").strip()
        if not body:
            raise ValidationError("Write something first.")
        if len(body) > MOST:
            raise ValidationError(f"A comment can have at most {MOST:,} characters.")
        return Comment(record=record, user=user, author=user.username, text=body)

    def write(comment: Comment) -> None:
        line = f"{user} named you in a comment on record {record.pk}"
        mentioned = [person for person in named(record.dataset.project, comment.text) if person.pk != user.pk]
        comment.save()
        Mention.objects.bulk_create(
            Mention(user=person, record=record, comment=comment, line=line) for person in mentioned
        )

    return once(Comment.objects.filter(record=record, user=user), key, make, write)


def named(project: Project, text: str) -> list[User]:
    """Return the members of the project's team that a text mentions; any other @name is just text.

    A full stop may follow a name.
    """
    names = {name.casefold() for found in NAMED.findall(text) for name in (found, found.rstrip(".@+-"))}
    members = User.objects.filter(memberships__team=project.team_id)
    return [person for person in members if person.username.casefold() in names] if names else []


def parts(text: str, names: set[str]) -> list[tuple[str, bool]]:
    """Split a text into pieces, each with whether it names a member; `names` are in small letters."""
    pieces: list[tuple[str, bool]] = []
    last = 0
    for match in NAMED.finditer(text):
        name = match[1] if match[1].casefold() in names else match[1].rstrip(".@+-")
        if name.casefold() in names:
            pieces += [(text[last : match.start()], False), (f"@{name}", True)]
            last = match.start() + 1 + len(name)
    return [part for part in [*pieces, (text[last:], False)] if part[0]]


def completions(project: Project, typed: str) -> list[dict[str, Any]]:
    """Return the members that the @word at the end of a text may mean: the text that replaces it, and where it begins."""
    match = _OPEN_END.search(typed)
    if match is None:
        return []
    people = User.objects.filter(memberships__team=project.team_id, username__istartswith=match[1]).order_by("username")
    return [
        {"text": f"@{person.username}", "note": "", "start": match.start(1) - 1}
        for person in people.distinct()[:OFFERED]
    ]


def resolve(comment: Comment, by: User) -> None:
    """Mark a comment as resolved, with the person who did it. A second time changes nothing."""
    open_ones = Comment.objects.filter(pk=comment.pk, resolved_at=None)
    open_ones.update(resolved_at=timezone.now(), resolved_by=by)


def reopen(comment: Comment) -> None:
    Comment.objects.filter(pk=comment.pk).update(resolved_at=None, resolved_by=None)


# --- who sees what ---------------------------------------------------------------------------------


def is_blind(record: Record, user: User, role: Role, *, annotating: bool = False) -> bool:
    """Return whether the person must not see others' comments on a record yet.

    So it is while several people answer it, it needs more answers, and the person's own is not submitted. Editors are
    held to it while they annotate; viewers never answer.
    """
    if not role.covers(Role.ANNOTATOR) or (role.covers(Role.EDITOR) and not annotating):
        return False
    waits = Task.objects.filter(record=record, state=Task.State.OPEN, queue__overlap__gt=1)
    if not waits.exists():
        return False
    return not Annotation.objects.filter(record=record, user=user, state=Annotation.State.SUBMITTED).exists()


def thread(record: Record, user: User, role: Role, *, annotating: bool = False) -> QuerySet[Comment]:
    """Return the comments that the person may see, oldest first."""
    rows = record.comments.select_related("resolved_by").order_by("pk")
    return rows.filter(user=user) if is_blind(record, user, role, annotating=annotating) else rows


# --- mentions --------------------------------------------------------------------------------------


def mentions(user: User, project: Project) -> QuerySet[Mention]:
    """Return the person's mentions in a project, newest first."""
    rows = Mention.objects.filter(user=user, record__dataset__in=project.datasets.all(), record__deleted_at=None)
    return rows.select_related("record__dataset", "comment").order_by("-pk")


def unread(user: User, project: Project) -> int:
    return mentions(user, project).filter(read_at=None).order_by().count()


def read(user: User, project: Project, pk: int | None = None) -> int:
    """Mark one mention, or all of the project, as read. Returns how many were not."""
    rows = Mention.objects.filter(user=user, record__dataset__project=project, read_at=None)
    return (rows.filter(pk=pk) if pk is not None else rows).update(read_at=timezone.now())


def text_for(mention: Mention, user: User, role: Role) -> str:
    """Return the text of the comment that mentions the person, unless they have to answer the record first."""
    if mention.comment is None or is_blind(mention.record, user, role):
        return ""
    return mention.comment.text
