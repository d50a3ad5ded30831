"""Token counts by the project's base: its own tokenizer, also a tekken.json alone, and its own context."""

import json
from pathlib import Path

import pytest

from curation.models import Check, Dataset, Record
from curation.quality import jobs
from curation.records import derived
from curation.tokens import student
from curation.tokens.counting import ESTIMATE, TokenCounter
from tests.training import tiny_bases
from training import manifest

TEKKEN = "mistral-nemo-instruct-2407"
TALK = [{"role": "user", "content": "word " * 60}, {"role": "assistant", "content": "Bonjour à tous."}]


@pytest.fixture
def bases(settings, data_folder) -> Path:
    """A base with a tokenizer.json that reads 512 tokens, and one with a tekken.json alone that reads 64."""
    models = Path(settings.MODELS_DIR)
    tiny_bases.template_tokenizer(models / "smollm2-135m-instruct")
    (models / "smollm2-135m-instruct" / "config.json").write_text('{"max_position_embeddings": 512}')
    tiny_bases.tekken_of(models / TEKKEN, 11)
    (models / TEKKEN / "params.json").write_text('{"max_seq_len": 64}')
    manifest.write(models / TEKKEN, slug=TEKKEN, revision="r")
    return models


def test_each_base_counts_by_its_own_tokenizer_and_context(bases):
    content = Record(messages=TALK)
    (by_bytes,) = student.counts([content])
    (by_tekken,) = student.counts([content], TEKKEN)
    assert by_bytes.tokens > 250
    assert 60 < by_tekken.tokens < 100
    assert by_bytes.by != by_tekken.by
    assert (student.context(), student.context(TEKKEN)) == (512, 64)
    assert TokenCounter.of_base(TEKKEN).name == TEKKEN


def test_tekken_counts_what_mistral_common_counts(bases):
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    texts = ["", "Bonjour à tous.", "[INST] is text", "\u200b\U0001f600", "a" * 500]
    inner = Tekkenizer.from_file(str(bases / TEKKEN / "tekken.json"))
    assert TokenCounter.of_base(TEKKEN).count(texts) == [
        len(inner.encode(text, bos=False, eos=False)) for text in texts
    ]


def test_a_base_that_is_not_here_is_estimated_and_not_counted_by_another(bases):
    assert TokenCounter.of_base("mistral-7b-instruct-v0-3").name == ESTIMATE
    assert student.context("mistral-7b-instruct-v0-3") is None


@pytest.mark.parametrize(
    ("written", "most"),
    [({"max_position_embeddings": 32768}, 32768), ({"text_config": {"max_position_embeddings": 131072}}, 131072), ({}, None), ([], None), ({"max_position_embeddings": "many"}, None)],
)  # fmt: skip
def test_the_context_is_found_where_configurations_have_it(bases, written, most):
    folder = bases / "codestral-22b-v0-1"
    tiny_bases.template_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(written))
    assert student.context("codestral-22b-v0-1") == most


def problems_of(record):
    record.refresh_from_db()
    return {problem["code"] for problem in record.problems}


def test_choosing_a_base_counts_the_projects_records_again(project, bases, as_bob, as_vic, bob_api):
    dataset = Dataset.objects.create(project=project, name="Briefs")
    record = derived.complete(Record(dataset=dataset, messages=TALK), dataset)
    record.save()
    assert "too-long" not in problems_of(record)
    url = f"/projects/{project.pk}/models/count-with"
    assert as_vic.post(url, {"base": TEKKEN}).status_code == 403
    assert as_bob.post(url, {"base": TEKKEN}).status_code == 302
    project.refresh_from_db()
    assert project.base == TEKKEN
    check = Check.objects.get()
    assert check.options == {"everything": True}
    jobs.check_texts(claims_of(check))
    assert "too-long" in problems_of(record)
    answer = bob_api.put(
        f"/api/projects/{project.pk}/base", {"base": "codestral-22b-v0-1"}, content_type="application/json"
    )
    assert answer.status_code == 422
    assert "not on this machine yet" in answer.content.decode()
    listed = bob_api.get(f"/api/projects/{project.pk}/bases").json()
    assert [base["base"] for base in listed if base["counts_tokens"]] == [TEKKEN]


def claims_of(check):
    from atelier.jobs import claims

    return claims.Claim(Check.claim_row(check.pk, 30))
