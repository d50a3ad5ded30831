"""The contents of erased records: the row of each is emptied, and what people, models and jobs wrote about it."""

from typing import Any

from django.db.models import Count, F, Q
from django.utils import timezone

from curation.models import (
    Annotation,
    BulkFailure,
    Change,
    Comment,
    Distillation,
    ErasedRecord,
    Generation,
    ImportIssue,
    Mark,
    Mention,
    NearDuplicate,
    Record,
    SelectedRecord,
    SpanTrail,
    Suggestion,
    Task,
)

# A record that is erased is a deleted one without content: lists, queues and searches already leave those out.
EMPTY: dict[str, Any] = {
    "fields": {}, "messages": [], "tools": [], "chosen": [], "rejected": [], "metadata": {}, "labels": [], "preview": "",
    "key": "", "language": "", "problems": [], "problem_count": 0, "words": 0, "tokens": None, "answer_tokens": None,
    "counted_by": None, "is_checked": True, "cluster": None, "map_x": None, "map_y": None,
}  # fmt: skip
WHY = "Erased on request."
Outcome = Generation.Outcome


def wipe(rows: list[ErasedRecord]) -> dict[str, int]:
    """Empty these records and delete what was written about them; return how much of what. The caller's transaction."""
    now, pks = timezone.now(), [row.record_id for row in rows]
    for answers in (Annotation, Task):  # before the record, as whoever submits, or two would wait for each other
        held = answers._base_manager.filter(record__in=pks).select_for_update(of=("self",)).order_by("pk")
        list(held.values_list("pk", flat=True))
    Record.objects.filter(pk__in=pks, deleted_at=None).update(deleted_at=now)
    Record.objects.filter(pk__in=pks).update(**EMPTY, revision=F("revision") + 1, changed_at=now)
    ErasedRecord.objects.filter(pk__in=[row.pk for row in rows]).update(wiped_at=now)
    about = Q(record__in=pks)
    deleted = {
        "changes": Change.objects.filter(about).delete()[0],
        "comments": Comment.objects.filter(about).delete()[1].get("curation.Comment", 0),
        "suggestions": Suggestion.objects.filter(about).delete()[0],
    }
    for gone in (Mark, Mention, SelectedRecord, SpanTrail, BulkFailure):
        gone._base_manager.filter(about).delete()
    NearDuplicate.objects.filter(Q(first__in=pks) | Q(second__in=pks)).delete()
    return deleted | _emptied(pks)


def _emptied(pks: list[int]) -> dict[str, int]:
    """Empty the rows that are counted elsewhere, so that sums still tally; return how many there are of each."""
    about = Q(record__in=pks)
    Annotation.objects.filter(
        about, state__in=[Annotation.State.OPEN, Annotation.State.EXPIRED]
    ).delete()  # else submitted later
    Task.objects.filter(about).update(answers={}, settled_note="")
    Task.objects.filter(about, known__isnull=False).update(known={})
    annotations = Annotation.objects.filter(about).update(answers={}, skip_reason="", review_note="")
    return {
        "annotations": annotations,
        "teacher_calls": _calls(about | Q(result__in=pks)),
        "rejected_rows": _issues(pks),
    }


def _calls(about: Q) -> int:
    """Empty the ledger's rows. One that waits, or may be asked again, is skipped from now on, and counted so."""
    calls = Generation.objects.filter(about)
    for outcome in (Outcome.PENDING, Outcome.FAILED):
        waiting = calls.filter(outcome=outcome)
        for pk, count in waiting.order_by().values_list("distillation").annotate(count=Count("pk")):
            moved = {"done": F("done") + count} if outcome == Outcome.PENDING else {"failed": F("failed") - count}
            Distillation.objects.filter(pk=pk).update(skipped=F("skipped") + count, **moved)
        waiting.update(outcome=Outcome.SKIPPED)
    calls.exclude(outcome=Outcome.OK).update(reason=WHY)
    calls.filter(outcome=Outcome.OK).update(reason="")
    return calls.update(prompt=[], answer="", reasoning="")


def _issues(pks: list[int]) -> int:
    """Empty the rows of imports that became these records, or half of them."""
    lines = Record.objects.filter(pk__in=pks, imported_by__isnull=False).values_list("imported_by", "import_line")
    where = Q(record__in=pks)
    for parent, line in lines:
        where |= Q(parent=parent, line=line)
    return ImportIssue.objects.filter(where).update(raw="", message=WHY)
