import pytest

from training import catalogue

PROMISED = [
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Ministral-8B-Instruct-2410",
    "mistralai/Mistral-Nemo-Instruct-2407",
    "mistralai/Magistral-Small-2506",
    "mistralai/Magistral-Small-2507",
    "mistralai/Codestral-22B-v0.1",
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "mistralai/Pixtral-12B-2409",
]


def test_the_promised_bases_are_there():
    ids = {base.hub_id for base in catalogue.load().values()}
    assert ids >= set(PROMISED)
    assert any("Mistral-Small-3." in hub_id for hub_id in ids)


def test_every_base_is_complete():
    for slug, base in catalogue.load().items():
        assert base.slug == slug == slug.lower()
        assert base.serve_gib < 300
        assert base.qlora_gib <= base.lora_gib
        assert base.is_mistral == base.hub_id.startswith("mistralai/")
        assert base.title
        assert base.licence


def test_mistral_bases_are_served_with_mistrals_tokenizer():
    for base in catalogue.load().values():
        assert ("--tokenizer-mode" in base.serve) == base.is_mistral


def test_bases_that_cannot_be_trained_say_why():
    assert {slug for slug, base in catalogue.load().items() if base.untrainable} == {
        "mixtral-8x22b-instruct-v0-1",
        "pixtral-12b-2409",
    }


def test_every_thinking_base_is_served_with_its_parser():
    for base in catalogue.load().values():
        assert ("--reasoning-parser" in base.serve) == base.reasoning


def test_an_unknown_base_is_refused_with_the_names():
    with pytest.raises(catalogue.CatalogueError, match=r"No base is called 'gpt'\. Available: smollm2"):
        catalogue.get("gpt")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a]\ntokenizer = 'x'", "a: tokenizer must be one of"),
        ("[a]\ntokenizer = 'mistral-v3'\nsize = 3", "a: unknown field 'size'"),
        ("[a]\ntokenizer = 'mistral-v3'", "a: missing"),
        ("[a", "cannot be read"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, text, sentence):
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    with pytest.raises(catalogue.CatalogueError, match=sentence):
        catalogue.load(path)


def test_memory_to_serve_has_room_for_a_request_of_the_length_served():
    for base in catalogue.load().values():
        weights, cache = base.parameters * 2 / 2**30, base.served_tokens * base.kv_kib / 2**20
        assert base.serve_gib >= weights + cache, base.slug
    assert catalogue.get("mistral-7b-instruct-v0-3").serve_gib == 21
