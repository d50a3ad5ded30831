"""The text of a record that a question is about, named by its role, because its place differs from record to record."""

from curation.models import Dataset, Record
from curation.records import pieces as record_pieces
from curation.records.pieces import Piece

FIELD = "field:"
ROLES = {"answer": "assistant", "prompt": "user"}  # the last message of that role
NAMES = {
    "answer": "Last answer", "prompt": "Last user message", "chosen": "Chosen answer",
    "rejected": "Rejected answer",
}  # fmt: skip


def is_name(name: str) -> bool:
    return name in NAMES or (name.startswith(FIELD) and 0 < len(name) - len(FIELD) <= 200)


def words(name: str) -> str:
    """Return a question's target as people read it."""
    return NAMES.get(name) or f"Field {name.removeprefix(FIELD)}"


def piece(record: Record, name: str) -> Piece | None:
    """Return the text that a question's target means in this record; None if the record has none."""
    if name.startswith(FIELD):
        path: tuple[object, ...] = ("fields", name.removeprefix(FIELD))
        return next((each for each in record_pieces.read(record) if each.path == path), None)
    column = name if name in ("chosen", "rejected") else "messages"
    role = ROLES.get(name, "assistant")
    spoken = [each for each in record_pieces.read(record) if each.path[0] == column and "thinking" not in each.path]
    messages = getattr(record, column)
    spoken = [each for each in spoken if messages[int(str(each.path[1]))].get("role") == role]
    return spoken[-1] if spoken else None


def offered(dataset: Dataset) -> list[str]:
    """Return the targets that the dataset's first records have, for the form to offer."""
    names: dict[str, None] = {}
    for record in dataset.records.present().order_by("pk")[:20]:
        names |= dict.fromkeys(f"{FIELD}{key}" for key, value in record.fields.items() if isinstance(value, str))
        names |= dict.fromkeys(name for name in NAMES if piece(record, name) is not None)
    # What is said comes before what it was made from.
    return sorted(names, key=lambda name: (name.startswith(FIELD), list(names).index(name)))
