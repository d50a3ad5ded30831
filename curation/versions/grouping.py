"""How a version keeps records together: by their source, by a metadata column or not at all; with their near-duplicates; by label."""

from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError

SOURCE, NONE, COLUMN = "source", "none", "column"
GROUP_BY = (SOURCE, NONE, COLUMN)
LONGEST_NAME = 200


@dataclass(frozen=True)
class Grouping:
    """What keeps records in one split. `column` is a key of their metadata, for the grouping by one."""

    group_by: str = SOURCE
    group_column: str = ""
    keep_together: bool = False  # near-duplicates, and records with the same content
    stratify: bool = False  # each label gets its share of each split

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_plain(self) -> bool:
        """Return whether the source alone decides."""
        return self == Grouping()

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Grouping":
        """Return a grouping as a version stores it; versions of before store none."""
        return cls(**stored)


def clean(
    group_by: str = SOURCE, group_column: str = "", *, keep_together: bool = False, stratify: bool = False
) -> Grouping:
    """Return a checked grouping. Raises ValidationError with a sentence."""
    column = group_column.strip()
    if group_by not in GROUP_BY:
        raise ValidationError(f"Records cannot be grouped by {group_by[:40]!r}. Use source, none or column.")
    if group_by == COLUMN and not column:
        raise ValidationError("Name the metadata column whose equal values stay in one split.")
    if group_by != COLUMN and column:
        raise ValidationError("A column is named, so group by column, or leave its name empty.")
    if len(column) > LONGEST_NAME:
        raise ValidationError(f"The name of a column can have at most {LONGEST_NAME} characters.")
    return Grouping(group_by, column, keep_together, stratify)
