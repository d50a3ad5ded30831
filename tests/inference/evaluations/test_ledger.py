"""The ledger of an evaluation: what is refused before it is made, and what each row asks for."""

import pytest
from django.core.exceptions import ValidationError

from curation.chat import Sampling
from inference.evaluations import ledger
from inference.models import Deployment, Endpoint, Evaluation
from tests.inference.asking import conversations, frozen, pair
from tests.inference.models_fixtures import adapter, base_on_disk  # noqa: F401

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


def test_the_last_answer_is_the_reference_and_a_prompt_replaces_the_systems():
    row = {"messages": [
        {"role": "system", "content": "Old"}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"},
        {"role": "user", "content": "C"}, {"role": "assistant", "content": "D", "weight": None},
    ]}  # fmt: skip
    prompt, reference, _ = ledger.prompt_and_reference(row, None)
    assert ([message["content"] for message in prompt], reference) == (["Old", "A", "B", "C"], "D")
    prompt, _, _ = ledger.prompt_and_reference(row, "New")
    assert [message["content"] for message in prompt] == ["New", "A", "B", "C"]
    prompt, _, _ = ledger.prompt_and_reference(row, "")
    assert [message["content"] for message in prompt] == ["A", "B", "C"]


def test_preferences_are_measured_against_the_chosen_answer():
    row = {
        "prompt": [{"role": "user", "content": "A"}],
        "chosen": [{"role": "assistant", "content": "Good"}],
        "rejected": [],
    }
    prompt, reference, _ = ledger.prompt_and_reference(row, "")
    assert (len(prompt), reference) == (1, "Good")


def test_what_cannot_be_evaluated_is_refused_with_a_sentence(project, version, alice):
    models = pair(project, URL)
    deployment = Deployment.objects.create(project=project, base="small", state="down")
    down = Endpoint.objects.create(project=project, name="Small", kind="served", deployment=deployment)
    for words, wrong in {
        "No split is called 'other'": {"split": "other"}, "at least one model": {"endpoints": []}, "each only once": {"endpoints": [models[0]] * 2},
        "is unavailable": {"endpoints": [down]}, "at least 1": {"limit": 0}, "Parallel requests": {"concurrency": 99},
        "not valid TOML": {"rules": "[[rule"}, "unknown kind": {"rules": '[[rule]]\nid="a"\ntitle="b"\nkind="magic"'},
        "temperature": {"sampling": Sampling(temperature=9)},
    }.items():  # fmt: skip
        given = {"endpoints": models, **wrong}
        with pytest.raises(ValidationError, match=words):
            ledger.create(version, alice, given.pop("endpoints"), **given)
    assert not Evaluation.objects.exists()


def test_a_version_that_is_not_frozen_is_refused(project, alice):
    from curation.versions import freezes

    draft = freezes.create(conversations(project), alice)
    with pytest.raises(ValidationError, match="not frozen yet"):
        ledger.create(draft, alice, pair(project, URL))


def test_the_same_key_gives_the_same_evaluation(version, alice):
    models = pair(version.project, URL)
    one, two = (ledger.create(version, alice, models, key="k") for _ in range(2))
    assert one == two


def sent_to(job):
    return {entrant["name"]: (entrant["system_prompt"], entrant["prompt_from"]) for entrant in job.entrants}


def test_an_adapter_is_sent_the_prompt_it_was_trained_with_unless_told_otherwise(version, alice, adapter):  # noqa: F811
    base, tuned = pair(version.project, URL)
    tuned.adapter = adapter
    tuned.save()
    asked = ledger.create(version, alice, [base, tuned])
    assert sent_to(asked) == {"Base": (None, "version"), "Tuned": ("Write plainly.", "training")}
    assert ledger.prompt_lines(asked) == ["Base: the version's", "Tuned: the one it was trained with"]
    asked = ledger.create(version, alice, [base, tuned], system_prompt="Both")
    assert sent_to(asked) == {"Base": ("Both", "given"), "Tuned": ("Both", "given")}
    assert ledger.prompt_lines(asked) == ["custom"]
    asked = ledger.create(version, alice, [base, tuned], prompts={base.pk: "The teacher's long guide"})
    assert sent_to(asked) == {"Base": ("The teacher's long guide", "given"), "Tuned": ("Write plainly.", "training")}
    with pytest.raises(ValidationError, match="isn't among the chosen models"):
        ledger.create(version, alice, [base], prompts={tuned.pk: "Nobody"})


def test_an_adapter_trained_with_its_rows_own_prompts_gets_those_of_its_version(version, alice, adapter):  # noqa: F811
    (tuned,) = pair(version.project, URL, 1)
    tuned.adapter = adapter
    tuned.save()
    adapter.run.recipe = {"rank": 8}
    adapter.run.save()
    assert sent_to(ledger.create(version, alice, [tuned]))["Base"] == ("Write plainly.", "training")
    adapter.run.version = version
    adapter.run.save()
    assert sent_to(ledger.create(version, alice, [tuned]))["Base"] == (None, "version")


def test_an_older_evaluation_has_one_prompt_for_all(version, alice):
    job = ledger.create(version, alice, pair(version.project, URL), system_prompt="All")
    job.entrants = [{"id": entrant["id"], "name": entrant["name"]} for entrant in job.entrants]
    assert {ledger.system_prompt_of(job, entrant) for entrant in job.entrants} == {"All"}
    assert ledger.prompt_lines(job) == ["custom"]
