"""Checks of a dataset as jobs: asking for one, what follows an import by itself, and the check of texts.

Texts are looked at where they are new or changed: `Record.is_checked` is the ledger, so a check that was killed goes on with
what is left, and nothing is looked at twice. What a check writes follows from the content, so it raises no revision.
"""

from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from atelier.jobs.models import Status
from curation import contents, student
from curation.bulk.plans import heavy
from curation.checks.lengths import usual
from curation.checks.records import Limits
from curation.dedup import THRESHOLD
from curation.models import Check, Dataset, Record

BATCH = 200
SAMPLE = 2000  # records whose lengths say what is usual
AUTOMATIC = 200_000  # records; near-duplicates of larger datasets are looked for when somebody asks
PARTS = (Check.Part.TEXTS, Check.Part.DUPLICATES, Check.Part.MAP)


def begin(
    dataset: Dataset,
    user: User | None,
    part: str,
    *,
    key: str | None = None,
    everything: bool = False,
    threshold: float | None = None,
) -> Check:
    """A queued check. The same idempotency key, or one that waits already, gives that check again. Raises ValidationError.

    `everything` looks at texts again that were checked, as after a change of the student. `threshold` is the similarity
    from which two records are near-duplicates.
    """
    if part not in PARTS:
        raise ValidationError(f"There is no check {part[:40]!r}: use one of {', '.join(PARTS)}.")
    if threshold is not None and not 0.3 <= threshold <= 1:
        raise ValidationError(
            "The threshold must be between 0.3 and 1: below that, any two texts of a subject are alike."
        )
    again = {"project": dataset.project, "idempotency_key": key}
    if key and (found := Check.objects.filter(**again).first()):
        return found
    options: dict[str, Any] = {"everything": True} if everything and part == Check.Part.TEXTS else {}
    if part == Check.Part.DUPLICATES:
        options = {"threshold": threshold or THRESHOLD}
    waiting = Check.objects.filter(dataset=dataset, part=part, status=Status.QUEUED, options=options)
    # One that runs may have passed the records that are meant now; one that waits has not.
    if not key and (found := waiting.order_by("pk").first()):
        return found
    try:
        with transaction.atomic():
            return Check.objects.create(
                dataset=dataset, created_by=user, part=part, options=options, queued_at=timezone.now(), **again
            )
    except IntegrityError:  # the same key at the same moment
        return Check.objects.get(**again)


def follow(dataset: Dataset, user: User | None = None, *, grown: bool = False) -> list[Check]:
    """The checks that what was just written calls for; the caller wakes workers. With `grown`, records were added."""
    if not dataset.records.filter(is_checked=False).exists():
        return []
    checks = [begin(dataset, user, Check.Part.TEXTS)]
    if grown and not dataset.records.order_by("pk")[AUTOMATIC : AUTOMATIC + 1].exists():
        checks.append(begin(dataset, user, Check.Part.DUPLICATES))
    return checks


def last(dataset: Dataset, part: str) -> Check | None:
    """The check of this kind that was asked for last."""
    return Check.objects.filter(dataset=dataset, part=part).order_by("-pk").first()


# --- texts ---------------------------------------------------------------------------------------


def check_texts(claim: Claim[Check]) -> None:
    """Look closely at every record that has not been looked at; with the option `everything` at all of them."""
    job = claim.job
    everything = bool(job.options.get("everything"))
    limits = _limits(job.dataset)
    left = _waiting(job.dataset, everything, job.cursor)
    claim.progress(total=job.done + left.count(), line="Looking at the texts")
    while True:
        claim.obey()
        rows = heavy(_waiting(job.dataset, everything, job.cursor).order_by("pk"), BATCH)
        if not rows:
            # Others write meanwhile: what changed behind the cursor is looked at in another round.
            if job.cursor == 0 or not _waiting(job.dataset, False, 0).exists():
                break
            everything, job.cursor = False, 0
            continue
        found = look(rows, job.dataset, limits)
        with claim.writing():
            _write(rows)
            sums = {name: job.found.get(name, 0) + count for name, count in found.items()}
            done = job.done + len(rows)
            claim.update(cursor=rows[-1].pk, done=done, total=max(job.total, done), found=sums)
    claim.progress(total=job.done, line=_outcome(job))


def _waiting(dataset: Dataset, everything: bool, after: int) -> Any:
    records = dataset.records.filter(pk__gt=after)
    return records if everything else records.filter(is_checked=False)


def _limits(dataset: Dataset) -> Limits:
    """What is usual: by a sample of the newest records, which costs the same however large the dataset is."""
    lengths = dataset.records.present().order_by("-pk").values_list("words", flat=True)[:SAMPLE]
    shortest, longest = usual(list(lengths)) or (None, None)
    return Limits(student.context(), shortest, longest)


def look(rows: list[Record], dataset: Dataset, limits: Limits) -> dict[str, int]:
    """Examine records, unsaved. How many have a problem, and how many an error."""
    for record, count in zip(rows, student.counts(rows), strict=True):
        contents.examine(record, dataset.kind, limits, count)
        record.problem_count = len(record.problems)
    errors = sum(any(problem["severity"] == "error" for problem in record.problems) for record in rows)
    return {
        "looked_at": len(rows),
        "with_problems": sum(bool(record.problems) for record in rows),
        "with_errors": errors,
    }


def _write(rows: list[Record]) -> None:
    """What was found, where the record is still as it was read; the others wait for the next round."""
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    sql = (
        f"UPDATE curation_record SET problems = %s{cast}, problem_count = %s, language = %s, tokens = %s,"  # noqa: S608
        " answer_tokens = %s, counted_by = %s, is_checked = %s WHERE id = %s AND revision = %s"
    )
    values = [
        (
            *(_json(row.problems), row.problem_count, row.language, row.tokens, row.answer_tokens, row.counted_by),
            *(True, row.pk, row.revision),
        )
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _json(problems: list[dict[str, Any]]) -> str:
    """A problem quotes the text it is about, and PostgreSQL holds no NUL."""
    return orjson.dumps(problems).decode().replace("\\u0000", "\\ufffd")


def _outcome(job: Check) -> str:
    seen, bad = job.found.get("looked_at", 0), job.found.get("with_problems", 0)
    if not seen:
        return "Nothing was new or changed."
    errors = job.found.get("with_errors", 0)
    noun, verb = "record" if seen == 1 else "records", "has" if bad == 1 else "have"
    if not bad:
        return f"Nothing wrong was found in {seen:,} {noun}."
    serious = f"{errors:,}" if errors else "none"
    return f"{bad:,} of {seen:,} {noun} {verb} something to look at, {serious} an error that keeps from training."
