"""How often a whole table of scores calls something significant, without a database."""

import random

import pytest

from curation.scoring import load_rules
from inference.evaluations import scores
from inference.evaluations.scores import ScoredAnswer

RULES = load_rules(
    "\n".join(f'[[rule]]\nid = "r{n}"\ntitle = "Rule"\nkind = "no_shouting"\ngroup = "g{n % 3}"' for n in range(12))
)


def answers(chance: random.Random, rows: int, keeping: float = 0.7, chrf: float = 45.0) -> list[ScoredAnswer]:
    return [
        ScoredAnswer(
            row,
            {f"r{n}": chance.random() < keeping for n in range(12)},
            chance.gauss(chrf, 15),
            words=chance.randrange(20, 60),
            tokens=40,
            seconds=1.0,
        )
        for row in range(1, rows + 1)
    ]


@pytest.mark.parametrize("entrants", [2, 4])
def test_a_table_of_equal_models_calls_something_significant_at_most_once_in_twenty(entrants: int) -> None:
    """The bound allows for the 60 tables of each number of rows: three standard errors above 5%."""
    chance, measures = random.Random(8), scores.measures_of(RULES)
    for rows in (1, 3, 7, 8, 13, 20, 50):
        wrong = 0
        for _ in range(60):
            first, *others = (answers(chance, rows) for _ in range(entrants))
            columns = scores.compared(first, others, measures)
            wrong += any(found["clear"] for column in columns for found in column.values())
        assert wrong <= (0 if rows < 8 else 8), (rows, wrong)


def test_a_better_model_is_called_so_and_too_few_rows_are_called_too_few() -> None:
    measures = scores.measures_of(RULES)
    for rows, clear in ((7, False), (30, True)):
        chance = random.Random(3)
        worse, better = answers(chance, rows, 0.5, 30), answers(chance, rows, 1.0, 60)
        (column,) = scores.compared(worse, [better], measures)
        for name in ("every", "chrf"):
            assert column[name]["clear"] is clear
            assert column[name]["too_few"] is not clear
            assert column[name]["p"] <= column[name]["p_adjusted"]


def test_without_a_row_in_common_there_is_no_difference() -> None:
    chance = random.Random(1)
    first, other = answers(chance, 10), answers(chance, 10)
    (column,) = scores.compared(first[:5], [other[5:]], scores.measures_of(RULES))
    assert set(column.values()) == {None}
