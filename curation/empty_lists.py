"""What a list says that shows no record: which of the filters left nothing, and what there is instead."""

from collections.abc import Mapping

from curation.filters import Filters
from curation.models import Record


def why_empty(chosen: Filters, statuses: Mapping[str, int]) -> tuple[str, str]:
    """That no record matches, as a title and what to do about it. `statuses` are the counts that the dataset has of each."""
    if chosen.mistake:
        return "This search cannot be read", "What is wrong with it stands above."
    left_out = [name for name in chosen.as_dict() if name != "sort"]
    if left_out == ["status"]:
        return _none_of_status(chosen.status, statuses)
    if len(left_out) > 1:
        deleted = "deleted, " if chosen.status == "deleted" else ""
        return "Nothing matches all of it", f"What is set: {deleted}{chosen.words()}. Take one of these away."
    return {
        "q": ("Nothing matches the search", "No record has all that it asks for. Try fewer words or conditions."),
        "split": (
            f"No record is in the {chosen.split} split",
            "The dataset's settings say how much each split gets.",
        ),
        "problems": ("No record has a problem", "None, that is, of those that were looked at.")
        if chosen.problems == "some"
        else ("Every record has problems", "The dataset's page of problems lists them by kind."),
        "import": ("Nothing is left of this import", "It brought no records, or they were deleted since."),
        "unanswered_in": ("Every record is answered", "There is an answer to each of them."),
    }.get(next(iter(left_out), ""), ("Nothing matches", "What was chosen is not there any more."))


def _none_of_status(status: str, statuses: Mapping[str, int]) -> tuple[str, str]:
    if status == "deleted":
        return "No record is deleted", "What is deleted is listed here; under Activity it can be put back."
    title = "No record waits for review" if status == Record.Status.NEW else f"No record is {status}"
    said_so = {value: label.lower() for value, label in Record.Status.choices} | {"new": "to be reviewed"}
    there = [(label, statuses[value]) for value, label in said_so.items() if statuses.get(value)]
    if not there:
        return title, "There are only deleted ones."
    if len(there) == 1:
        (label, count) = there[0]
        return title, f"The only record is {label}." if count == 1 else f"All {count:,} records are {label}."
    said = " and ".join(f"{count:,} {'is' if count == 1 else 'are'} {label}" for label, count in there)
    return title, f"Of the {statuses['all']:,} records {said}."
