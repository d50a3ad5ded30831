"""Jobs that check a dataset: requesting one, the checks that follow an import, and the check of texts.

Texts are checked if they are new or changed: `Record.is_checked` is the ledger, so a check that was killed resumes with
what is left, and nothing is checked twice. What a check writes follows from the content, so it raises no revision.
"""

from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.utils import timezone

from atelier.accounts.models import Project, User
from atelier.jobs.claims import Claim
from atelier.jobs.models import Status
from atelier.jobs.once import once
from curation.checks.lengths import usual
from curation.checks.record import CheckLimits
from curation.models import Check, Dataset, Record
from curation.quality.minhash import THRESHOLD
from curation.records import derived, store
from curation.records.batches import heavy
from curation.tokens import student

BATCH = 200
SAMPLE = 2000  # records whose lengths say what is usual
AUTOMATIC = 200_000  # records; near-duplicates of larger datasets are looked for when somebody asks
EXAMINED = ("problems", "problem_count", "language", "tokens", "answer_tokens", "counted_by", "is_checked")
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
    """Queue a check. The same idempotency key, or one that already waits, returns that check. Raises ValidationError.

    `everything` checks texts again that were checked, as after a change of the project's base. `threshold` is the similarity
    from which two records are near-duplicates.
    """
    if part not in PARTS:
        raise ValidationError(f"No check is called {part[:40]!r}. Use one of {', '.join(PARTS)}.")
    if threshold is not None and not 0.3 <= threshold <= 1:
        raise ValidationError(
            "The threshold must be between 0.3 and 1. Below 0.3 any two texts on the same subject count as alike."
        )
    options: dict[str, Any] = {"everything": True} if everything and part == Check.Part.TEXTS else {}
    if part == Check.Part.DUPLICATES:
        options = {"threshold": threshold or THRESHOLD}

    def make() -> Check:
        options_of_check: dict[str, Any] = {"dataset": dataset, "part": part, "options": options}
        # One that runs may have passed the records that are meant now; one that waits has not.
        waiting = Check.objects.filter(status=Status.QUEUED, **options_of_check)
        if not key and (found := waiting.order_by("pk").first()):
            return found
        return Check(project=dataset.project, created_by=user, queued_at=timezone.now(), **options_of_check)

    return once(dataset.project.checks, key, make)


def follow(dataset: Dataset, user: User | None = None, *, grown: bool = False) -> list[Check]:
    """Queue the checks that what was just written calls for; the caller wakes workers. With `grown`, records were added."""
    if not dataset.records.filter(is_checked=False).exists():
        return []
    checks = [begin(dataset, user, Check.Part.TEXTS)]
    if grown and not dataset.records.order_by("pk")[AUTOMATIC : AUTOMATIC + 1].exists():
        checks.append(begin(dataset, user, Check.Part.DUPLICATES))
    return checks


def recount(project: Project, user: User | None) -> list[Check]:
    """Queue checks of all texts of a project, whose base has changed; the caller wakes workers."""
    return [begin(dataset, user, Check.Part.TEXTS, everything=True) for dataset in project.datasets.order_by("pk")]


def last(dataset: Dataset, part: str) -> Check | None:
    """Return the check of this kind that was requested last."""
    return Check.objects.filter(dataset=dataset, part=part).order_by("-pk").first()


# --- texts ---------------------------------------------------------------------------------------


def check_texts(claim: Claim[Check]) -> None:
    """Check the texts of every record that has not been checked; with the option `everything` of all of them."""
    job = claim.job
    everything = bool(job.options.get("everything"))
    limits = _limits(job.dataset)
    left = _waiting(job.dataset, everything, job.cursor)
    claim.progress(total=job.done + left.count(), line="Checking the texts")
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


def _limits(dataset: Dataset) -> CheckLimits:
    """Return the usual lengths from a sample of the newest records, which costs the same however large the dataset is."""
    lengths = dataset.records.present().order_by("-pk").values_list("words", flat=True)[:SAMPLE]
    shortest, longest = usual(list(lengths)) or (None, None)
    return CheckLimits(student.context(dataset.project.base), shortest, longest)


def look(rows: list[Record], dataset: Dataset, limits: CheckLimits) -> dict[str, int]:
    """Examine unsaved records. Returns how many have a problem, and how many an error."""
    for record, count in zip(rows, student.counts(rows, dataset.project.base), strict=True):
        derived.examine(record, dataset.kind, limits, count)
    errors = sum(any(problem["severity"] == "error" for problem in record.problems) for record in rows)
    return {
        "looked_at": len(rows),
        "with_problems": sum(bool(record.problems) for record in rows),
        "with_errors": errors,
    }


def _write(rows: list[Record]) -> None:
    """Write what was found, if the record is still as it was read; the others wait for the next round."""
    examined = [
        (_json(row.problems), *(getattr(row, name) for name in EXAMINED[1:]), row.pk, row.revision) for row in rows
    ]
    store.update(EXAMINED, examined, by=("id", "revision"))


def _json(problems: list[dict[str, Any]]) -> str:
    """Return problems as JSON without NUL: a problem quotes the text it is about, and PostgreSQL holds no NUL."""
    return orjson.dumps(problems).decode().replace("\\u0000", "\\ufffd")


def _outcome(job: Check) -> str:
    seen, bad = job.found.get("looked_at", 0), job.found.get("with_problems", 0)
    if not seen:
        return "No records were new or changed."
    errors = job.found.get("with_errors", 0)
    noun, verb = "record" if seen == 1 else "records", "has" if bad == 1 else "have"
    if not bad:
        return f"No problems found in {seen:,} {noun}."
    if errors:
        return f"{bad:,} of {seen:,} {noun} {verb} problems. {errors:,} cannot be used for training."
    return f"{bad:,} of {seen:,} {noun} {verb} warnings. All can be used for training."
