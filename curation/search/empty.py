"""The message of a list without records: which of the filters left nothing, and what there is instead."""

from collections.abc import Mapping

from curation.models import Record
from curation.search.filters import Filters


def why_empty(chosen: Filters, statuses: Mapping[str, int]) -> tuple[str, str]:
    """Return why no record matches, as a title and what to do about it. `statuses` are the dataset's counts by status."""
    if chosen.mistake:
        return "This search cannot be read", "See the error above."
    left_out = [name for name in chosen.as_dict() if name != "sort"]
    if left_out == ["status"]:
        return _none_of_status(chosen.status, statuses)
    if len(left_out) > 1:
        deleted = "deleted, " if chosen.status == "deleted" else ""
        return "No records match these filters", f"Active filters: {deleted}{chosen.words()}. Remove one to see more."
    return {
        "q": ("No records match the search", "No record meets all conditions. Try fewer words or conditions."),
        "split": (
            f"No record is in the {chosen.split} split",
            "The dataset's settings define how much each split gets.",
        ),
        "problems": ("No problems found", "Among the records checked so far.")
        if chosen.problems == "some"
        else ("Every record has problems", "The Problems page lists them by kind."),
        "import": ("No records of this import", "The import added no records, or they have been deleted."),
        "unanswered_in": ("Every record is answered", "Choose another target or other records."),
    }.get(next(iter(left_out), ""), ("No records match", "The selected records no longer exist."))


def _none_of_status(status: str, statuses: Mapping[str, int]) -> tuple[str, str]:
    if status == "deleted":
        return "No deleted records", "Deleted records are listed here. You can restore them under Activity."
    title = "All caught up" if status == Record.Status.NEW else f"No record is {status}"
    said_so = {value: label.lower() for value, label in Record.Status.choices} | {"new": "to be reviewed"}
    there = [(label, statuses[value]) for value, label in said_so.items() if statuses.get(value)]
    if not there:
        return title, "All records are deleted."
    if len(there) == 1:
        (label, count) = there[0]
        return title, f"The only record is {label}." if count == 1 else f"All {count:,} records are {label}."
    said = " and ".join(f"{count:,} {'is' if count == 1 else 'are'} {label}" for label, count in there)
    return title, f"Of the {statuses['all']:,} records {said}."
