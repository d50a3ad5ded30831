"""Which text of a record a question is about: named by what it is, because its place differs from record to record."""

from curation import records
from curation.models import Dataset, Record
from curation.records import Piece

FIELD = "field:"
ROLES = {"answer": "assistant", "prompt": "user"}  # the last message of that role
NAMES = {
    "answer": "The last answer", "prompt": "What was asked last", "chosen": "The better answer",
    "rejected": "The worse answer",
}  # fmt: skip


def is_name(name: str) -> bool:
    return name in NAMES or (name.startswith(FIELD) and 0 < len(name) - len(FIELD) <= 200)


def words(name: str) -> str:
    """A target as people read it."""
    return NAMES.get(name) or f"The field {name.removeprefix(FIELD)}"


def piece(record: Record, name: str) -> Piece | None:
    """The text that a question's target means in this record; None when the record has none."""
    if name.startswith(FIELD):
        path: tuple[object, ...] = ("fields", name.removeprefix(FIELD))
        return next((found for found in records.pieces(record) if found.path == path), None)
    column = name if name in ("chosen", "rejected") else "messages"
    role = ROLES.get(name, "assistant")
    said = [found for found in records.pieces(record) if found.path[0] == column and "thinking" not in found.path]
    messages = getattr(record, column)
    said = [found for found in said if messages[int(str(found.path[1]))].get("role") == role]
    return said[-1] if said else None


def offered(dataset: Dataset) -> list[str]:
    """The targets that the dataset's first records have: what the form offers."""
    found: dict[str, None] = {}
    for record in dataset.records.present().order_by("pk")[:20]:
        found |= dict.fromkeys(f"{FIELD}{key}" for key, value in record.fields.items() if isinstance(value, str))
        found |= dict.fromkeys(name for name in NAMES if piece(record, name) is not None)
    # What is said comes before what it was made from.
    return sorted(found, key=lambda name: (name.startswith(FIELD), list(found).index(name)))
