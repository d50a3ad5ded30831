"""Bulk actions over everything: records a second and memory of each and of its undo, at a tenth of the rows asked for and at a
tenth of those, for each changes, checks and puts back every record, where an import only writes it.

A record must cost the same whatever the size: the ratio of "a record, at a tenth" is near 1, above it something grows.
"""

from collections.abc import Iterator
from typing import Any

from tests.bench import crowd, workshop
from tests.bench.figures import Clock, Figure, memory
from tests.bench.workshop import Options

TENTH = 10
WARM = 1000
FLAT = 50.0  # MiB that a worker may grow by, whatever the size
COMMON = "the"  # in nearly every text
EMAIL = "someone@example.org"


def actions() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield (name, action, filters, options); each is undone before the next begins."""
    yield "accept", "accept", {"status": "new"}, {}
    yield "label", "label", {}, {"labels": ["bench"]}
    yield "label what has a word", "label", {"q": COMMON}, {"labels": ["bench"]}
    whole = {"regex": False, "case": False, "words": True, "pieces": "assistant"}
    yield "find and replace", "replace", {}, {"find": COMMON, "replace": f"the {EMAIL}", **whole}


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    workshop.take_models(options)
    rows = max(WARM, options.rows // TENTH)
    small = {name: found for name, *found in _all(crowd.filled(max(WARM, rows // TENTH)))}
    figures = []
    for name, count, clock, undone, grown in _all(crowd.filled(rows)):
        before_count, before, before_undone, _ = small[name]
        figures += [
            Figure(f"bulk: {name}", count / clock.wall, "rows/s", "its undo", count / undone.wall),
            Figure(
                f"bulk: {name}, of processor", 1e6 * clock.cpu / count, "us/row", "a record, at a tenth",
                1e6 * before.cpu / before_count,
            ),
            Figure(
                f"undo: {name}, of processor", 1e6 * undone.cpu / count, "us/row", "a record, at a tenth",
                1e6 * before_undone.cpu / before_count,
            ),
            Figure(f"bulk: {name}, memory above the start", grown, "MiB", "flat", FLAT),
        ]  # fmt: skip
    return figures


def _all(dataset: Any) -> Iterator[tuple[str, int, Clock, Clock, float]]:
    """Yield (name, records changed, action, undo, how far memory grew) of each action, and of masking what one wrote."""
    for name, action, filters, options in actions():
        before = memory("VmHWM")
        job, clock = _done(dataset, action, filters, options)
        # Masking has something to do only between a replacement that writes addresses and its undo.
        masked = _masked(dataset) if action == "replace" else None
        undoing, undone = _undone(job)
        yield name, job.changed, clock, undone, memory("VmHWM") - before
        if undoing.changed != job.changed or undoing.left:
            raise RuntimeError(f"{job.title}: of {job.changed} changed {undoing.changed} were put back.")
        if masked is not None:
            yield masked


def _masked(dataset: Any) -> tuple[str, int, Clock, Clock, float]:
    before = memory("VmHWM")
    job, clock = _done(dataset, "mask", {}, {"pieces": "all"})
    _, undone = _undone(job)
    return "mask", job.changed, clock, undone, memory("VmHWM") - before


def _done(dataset: Any, action: str, filters: dict[str, Any], options: dict[str, Any]) -> tuple[Any, Clock]:
    from atelier.accounts.models import User
    from curation import bulk, tasks
    from curation.search.filters import Filters

    member = User.objects.get(username="member")
    job = bulk.begin(dataset, member, action, Filters.read(filters), options=options)
    with Clock() as clock:
        tasks.bulk(job.pk)
    workshop.finished(job)
    if not job.changed:
        raise RuntimeError(f"{job.title} changed nothing.")
    return job, clock


def _undone(job: Any) -> tuple[Any, Clock]:
    from curation import bulk, tasks

    undoing = bulk.begin_undo(job, job.created_by)
    with Clock() as clock:
        tasks.bulk(undoing.pk)
    workshop.finished(undoing)
    return undoing, clock
