"""The sampling that forms suggest, from the catalogue."""

import pytest

from inference import sampling
from inference.models import Deployment, Endpoint

USUAL = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 512, "seed": None}


def served(slug: str) -> Endpoint:
    return Endpoint(name=slug, kind="served", deployment=Deployment(base=slug))


@pytest.mark.parametrize(
    ("slugs", "expected"),
    [
        ([], {}),
        (["smollm2-135m-instruct"], {}),
        (["no-longer-in-the-catalogue"], {}),
        (["mistral-small-3-1"], {"temperature": 0.15}),
        (["mistral-small-3-1", "magistral-small-2506"], {"temperature": 0.15, "top_p": 0.95}),
    ],
)
def test_the_catalogue_s_sampling_takes_the_place_of_the_usual(slugs, expected):
    found = sampling.suggested([served(slug) for slug in slugs], USUAL)
    assert {name: found[name] for name in ("temperature", "top_p")} == {"temperature": 0.7, "top_p": 1.0} | {
        name: value for name, value in expected.items() if name != "max_tokens"
    }


def test_an_answer_takes_at_most_half_of_the_context_served():
    found = sampling.suggested([served("magistral-small-2506")], USUAL)
    assert 512 < found["max_tokens"] <= 20_480
    assert sampling.suggested([served("smollm2-135m-instruct")], {**USUAL, "max_tokens": 9000})["max_tokens"] == 4096
    assert found["seed"] is None
