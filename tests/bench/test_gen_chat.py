"""The generator gives the same bytes for ever: figures of different days are compared."""

import io
from hashlib import sha256

from tests.bench.gen_chat import lines, row, rows


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_the_first_thousand_rows_are_the_agreed_ones() -> None:
    text = "".join(lines(rows(1000)))
    assert digest(text) == "f76fe2b069ba088486e72a28e19fc947c4df30e5c00ff0685d0ae1bf5b1cdf75"


def test_planted_rows_and_their_pairs_are_the_agreed_ones() -> None:
    pairs = io.StringIO()
    text = "".join(lines(rows(1500, dups=0.2, near=0.15), pairs))
    assert digest(text) == "52cf1843c1f5ee5107cf5b6c1ec53caffeebefcf18a690200b4f0089f2c6916d"
    assert digest(pairs.getvalue()) == "f966df551dd69f1d235a3fcb73444898b15a9c174e2aa5feebcb2c220efc7c4f"


def test_a_row_depends_on_its_number_alone() -> None:
    assert row(7, 42) == list(rows(43))[42]
