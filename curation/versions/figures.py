"""The figures of a version, counted while it is written: problems, words, tokens, labels, languages, sources, lengths, copies.

Memory stays flat: counters have a cap, and of each row's content 16 bytes are kept.
"""

from array import array
from collections import Counter as Tally
from collections import defaultdict
from typing import Any

import numpy as np

from curation.records.splits import SPLITS
from curation.tokens.counting import TokenCounter
from curation.versions.rows import FrozenRow

RECORDS_NAMED = 20
KINDS = 200  # of labels or sources that are counted one by one; the others come under OTHERS
OTHERS = "(others)"
SIDE_BITS = 2
COPIES = "in_two_splits"
COPIES_WORDS = "The same content is in two splits, so test data would leak into training. Keep near-duplicates together, or delete one."


class Figures:
    """The figures of a version, filled batch by batch."""

    def __init__(self, tokens: TokenCounter) -> None:
        self.tokens = tokens
        self.words = 0
        self._problems: dict[str, dict[str, Any]] = {}
        self._tallies: dict[str, Tally[str]] = defaultdict(Tally)
        self._labels: dict[str, Tally[str]] = {}
        self._hashes, self._pks = array("Q"), array("q")

    def add(self, batch: list[FrozenRow], sides: list[str]) -> None:
        """Count a batch; `sides` are its rows' splits."""
        for row, split in zip(batch, sides, strict=True):
            self.words += row.words
            self._hashes.append(int(row.content_hash[:16], 16) >> SIDE_BITS << SIDE_BITS | SPLITS.index(split))
            self._pks.append(row.pk)
            if row.problems:
                for code, message in {problem["code"]: problem["message"] for problem in row.problems}.items():
                    self._problem(code, message, [row.pk])
            self._tally(row)
            for label in row.labels:
                name = label if label in self._labels or len(self._labels) < KINDS else OTHERS
                self._labels.setdefault(name, Tally())[split] += 1
        self._count_tokens(batch, sides)

    def _count_tokens(self, batch: list[FrozenRow], sides: list[str]) -> None:
        """Add the tokens that the checks counted with the same tokenizer; counting again takes twice as long as all the rest.

        Of preferences the checks know the longer ending, here the better one counts.
        """
        new = []
        for row, split in zip(batch, sides, strict=True):
            if row.counted_by != self.tokens.mark or row.chosen or row.tokens is None or row.answer_tokens is None:
                new.append((split, row.messages + row.chosen))
            else:
                self.tokens.add_counted(split, row.tokens, row.answer_tokens)
        self.tokens.add(new)

    def _tally(self, row: FrozenRow) -> None:
        for label in row.labels or [""]:
            self._count("labels", label)
        self._count("languages", row.language)
        self._count("sources", row.origin)
        self._count("statuses", row.status)
        # Up to 1, 2, 4, 8 … words.
        self._count("lengths", str(1 << max(0, row.words - 1).bit_length()))
        if row.imported_by_id:
            self._count("imports", str(row.imported_by_id))
        if row.reviewed_by_id or row.reviewed_note:
            self._count("reviewers", f"user {row.reviewed_by_id}" if row.reviewed_by_id else row.reviewed_note)

    def _count(self, name: str, value: str) -> None:
        tally = self._tallies[name]
        tally[value if value in tally or len(tally) < KINDS else OTHERS] += 1

    def _problem(self, code: str, message: str, pks: list[int], count: int = 1) -> None:
        group = self._problems.setdefault(code, {"code": code, "message": message, "count": 0, "records": []})
        group["count"] += count
        group["records"] += pks[: RECORDS_NAMED - len(group["records"])]

    def problems(self) -> list[dict[str, Any]]:
        """Return problems by code with the first records of each, the most frequent first. Called once, at the end."""
        copies = self._copies()
        if copies:
            self._problem(COPIES, COPIES_WORDS, copies, len(copies))
        return sorted(self._problems.values(), key=lambda group: (-group["count"], group["code"]))

    def _copies(self) -> list[int]:
        """Return the records whose content is in another split too, by id, without the split of the first of each.

        62 bits of the hash are compared: among a million contents two that differ meet with a chance of one in ten
        million, and then a sentence is wrong, not a file.
        """
        hashes = np.frombuffer(self._hashes, dtype=np.uint64)
        contents = hashes >> np.uint64(SIDE_BITS)
        contents.sort()
        twice = np.unique(contents[1:][contents[1:] == contents[:-1]])
        del contents  # a million rows are 8 MB in each such array
        if not len(twice):
            return []
        places = np.flatnonzero(np.isin(hashes >> np.uint64(SIDE_BITS), twice))
        first_sides: dict[int, int] = {}
        parted = []
        for place in places.tolist():  # in the order of ids
            content, side = divmod(self._hashes[place], 1 << SIDE_BITS)
            if first_sides.setdefault(content, side) != side:
                parted.append(self._pks[place])
        return parted

    def labels(self) -> dict[str, dict[str, int]]:
        """Return label -> split -> rows, the rarest label first."""
        rows = sorted(self._labels.items(), key=lambda row: (row[1].total(), row[0]))
        return {label: {split: counts[split] for split in SPLITS} for label, counts in rows}

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return name -> value -> rows, the most frequent first. Lengths are "at most so many words"."""
        return {name: dict(tally.most_common()) for name, tally in sorted(self._tallies.items())}
