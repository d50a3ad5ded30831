"""The measures of agreement against the tables they were published with."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.annotation import measures as agreement_measures
from curation.annotation.measures import alpha, cohen, fleiss, interval, measures, ordinal, percent

# Fleiss (1971), "Measuring nominal scale agreement among many raters", as the widely printed worked example of 10 subjects,
# 14 raters and 5 categories: each row is how many raters chose each category. Kappa 0.210.
FLEISS = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: 4 observers, 12 units, 0 is missing.
# Nominal 0.743, ordinal 0.815, interval 0.849.
KRIPPENDORFF = [
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
]
# Cohen (1960), "A coefficient of agreement for nominal scales", the example of 200 patients in three diagnoses by two
# judges, as counts: 0.70 observed, 0.41 by chance, kappa 0.492.
COHEN = [(88, 14, 18), (10, 40, 10), (2, 6, 12)]


def units_of(rows):
    return [[value for value in unit if value] for unit in zip(*rows, strict=True)]


def test_fleiss_kappa_is_that_of_the_printed_example():
    units = [[category for category, n in enumerate(row) for _ in range(n)] for row in FLEISS]
    found = fleiss(units)
    assert found.value == pytest.approx(0.210, abs=0.0005)
    assert found.units == 10


@pytest.mark.parametrize(("kind", "wanted"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_alpha_is_that_of_his_paper(kind, wanted):
    units = units_of(KRIPPENDORFF)
    distance = {"nominal": agreement_measures.nominal, "ordinal": ordinal(units), "interval": interval}[kind]
    assert alpha(units, distance).value == pytest.approx(wanted, abs=0.0005)


def test_krippendorffs_example_of_two_observers_and_yes_or_no():
    # The same paper, section A: ten units, alpha 0.095.
    one, other = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    assert alpha(list(zip(one, other, strict=True))).value == pytest.approx(0.095, abs=0.0005)


def test_cohens_kappa_is_that_of_his_paper():
    pairs = [(a, b) for a, row in enumerate(COHEN) for b, count in enumerate(row) for _ in range(count)]
    assert cohen(pairs).value == pytest.approx(0.492, abs=0.0005)
    assert percent(pairs).value == pytest.approx(0.70)


def test_complete_agreement_is_one_and_reversed_rankings_are_minus_one():
    assert cohen([("a", "a"), ("b", "b")]).value == 1
    assert fleiss([["a", "a", "a"], ["b", "b", "b"]]).value == 1
    assert alpha([["a", "a"], ["b", "b"]]).value == 1
    assert agreement_measures.kendall([[("a", "b", "c"), ("c", "b", "a")]]).value == -1
    assert agreement_measures.kendall([[("a", "b", "c"), ("a", "c", "b")]]).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("units", [[], [["a"]], [["a", "a"], ["a", "a"]]])
def test_too_little_to_measure_is_a_sentence_and_no_number(units):
    for found in (fleiss(units), alpha(units)):
        assert found.value is None
        assert found.note.endswith(".")
        assert found.reading == ""


def test_spans_are_compared_exactly_and_by_what_they_touch():
    one = frozenset({(0, 4, "person"), (10, 14, "place")})
    other = frozenset({(0, 4, "person"), (12, 18, "place"), (20, 22, "place")})
    assert agreement_measures.span_f1([[one, other]]).value == pytest.approx(2 / 5)
    assert agreement_measures.span_f1([[one, other]], exact=False).value == pytest.approx(4 / 5)
    assert agreement_measures.span_f1([[frozenset(), frozenset()]]).value is None


def test_missing_answers_leave_a_unit_out_of_fleiss_and_say_so():
    found = fleiss([["a", "a", "b"], ["b", "b", "b"], ["a", "b"]])
    assert found.units == 2
    assert "1 with another number" in found.note


@pytest.mark.parametrize(
    ("kind", "a", "b", "tolerance", "wanted"),
    [
        ("label", "x", "x", 1, True),
        ("label", "x", "y", 0.1, False),
        ("labels", ["x", "y"], ["y", "x"], 1, True),
        ("text", "one  two\nthree", "one two three", 1, True),
        ("text", "one two three four", "one two three five", 1, False),
        ("text", "one two three four", "one two three five", 0.7, True),
        ("spans", [{"start": 0, "end": 4, "label": "a"}], [{"start": 0, "end": 5, "label": "a"}], 1, False),
        ("spans", [{"start": 0, "end": 4, "label": "a"}], [{"start": 0, "end": 5, "label": "a"}], 0.9, True),
        ("spans", [], [], 1, True),
        ("spans", [], [{"start": 0, "end": 5, "label": "a"}], 0.9, False),
        ("comment", "yes", "no", 1, True),
        ("label", "x", None, 0.1, False),
        ("label", None, None, 1, True),
        ("ranking", ["a", "b"], ["b", "a"], 0.1, False),
    ],
)
def test_two_answers_are_alike(kind, a, b, tolerance, wanted):
    assert agreement_measures.alike(kind, a, b, tolerance) is wanted


@given(st.lists(st.lists(st.integers(1, 5), max_size=5), max_size=12))
def test_no_measure_of_any_ratings_is_not_a_number(units):
    for name, found in measures("rating", units).items():
        assert found.value is None or math.isfinite(found.value), name
        assert found.value is None or found.value <= 1 + 1e-9
        assert (found.value is None) == bool(found.note) or name == "fleiss"


def test_alpha_of_two_values_is_the_same_on_every_scale():
    units = [[1, 1], [1, 2], [2, 2], [2, 2]]
    assert alpha(units).value == pytest.approx(alpha(units, interval).value)


def test_every_kind_has_its_measures():
    answers = {
        "label": "a", "labels": ["a"], "rating": 3, "ranking": ["a", "b"],
        "spans": [{"start": 0, "end": 1, "label": "a"}], "text": "words",
    }  # fmt: skip
    for kind, answer in answers.items():
        found = measures(kind, [[answer, answer]])
        assert agreement_measures.MAIN[kind] in found
        assert found["percent"].value == 1
        assert set(found) <= set(agreement_measures.NAMES)


@pytest.mark.parametrize(
    ("value", "word"), [(-0.1, "poor"), (0.1, "slight"), (0.21, "fair"), (0.5, "moderate"), (0.75, "substantial"), (0.9, "almost perfect"), (1, "almost perfect")]
)  # fmt: skip
def test_a_value_reads_as_landis_and_koch_have_it(value, word):
    assert agreement_measures.Measure(value, 1).reading == word
