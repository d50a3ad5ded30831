"""Base models on disk: converted from the package, pulled from the hub, or refused with a sentence."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from training import catalogue, manifest
from training.bases import store
from training.bases.store import ModelError

NEMO = catalogue.get("mistral-nemo-instruct-2407")
COMMIT = "a" * 40


class Hub:
    """A fake of the hub's client: a repository of these files."""

    def __init__(self, files: dict[str, str], error: Exception | None = None) -> None:
        self.files, self.error, self.asked = files, error, None

    def model_info(self, hub_id: str, revision: str | None = None, timeout: float = 0):
        self.asked = revision
        if self.error:
            raise self.error
        return SimpleNamespace(sha=COMMIT, siblings=[SimpleNamespace(rfilename=name) for name in self.files])

    def snapshot_download(self, hub_id: str, revision: str, local_dir: Path, allow_patterns, ignore_patterns):
        for name, text in self.files.items():
            wanted = any(Path(name).match(pattern) for pattern in allow_patterns)
            if wanted and not any(Path(name).match(pattern) for pattern in ignore_patterns):
                (local_dir / name).write_text(text)


@pytest.fixture
def hub(monkeypatch):
    def install(files: dict[str, str], error: Exception | None = None) -> Hub:
        fake = Hub(files, error)
        monkeypatch.setattr("huggingface_hub.HfApi", lambda: fake)
        monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
        return fake

    return install


GOOD = {"config.json": "{}", "model.safetensors": "w", "tekken.json": "{}", "pickle.bin": "evil", "code.py": "evil"}


def test_a_pulled_model_is_whole_and_knows_its_commit(hub, tmp_path):
    hub(GOOD)
    folder = store.pull(tmp_path, NEMO)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tekken.json",
        manifest.NAME,
    }
    assert manifest.read(folder)["revision"] == COMMIT
    assert store.is_ready(tmp_path, NEMO.slug)
    assert [path.name for path in tmp_path.iterdir()] == [NEMO.slug]


def test_of_weights_that_come_twice_one_copy_is_taken(hub, tmp_path):
    hub(GOOD | {"consolidated.safetensors": "the same weights"})
    assert not (store.pull(tmp_path, NEMO) / "consolidated.safetensors").exists()
    small = catalogue.get("mistral-small-3-1")  # it also sees: served in Mistral's own format
    assert (store.pull(tmp_path, small) / "consolidated.safetensors").exists()


def test_a_model_whose_only_weights_are_the_unwanted_copy_is_refused(hub, tmp_path):
    hub({"config.json": "{}", "consolidated.safetensors": "w"})
    with pytest.raises(ModelError, match="has no safetensors"):
        store.pull(tmp_path, NEMO)


def test_a_model_that_is_there_is_not_pulled_again(hub, tmp_path):
    hub(GOOD)
    store.pull(tmp_path, NEMO)
    hub({}, RuntimeError("no network"))
    assert store.pull(tmp_path, NEMO) == store.ensure(tmp_path, NEMO)


def test_the_wanted_revision_is_asked_for(hub, tmp_path):
    fake = hub(GOOD)
    store.pull(tmp_path, NEMO, revision="v1")
    assert fake.asked == "v1"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.json": "{}", "pytorch_model.bin": "x"}, "has no safetensors"),
        ({**GOOD, "config.json": '{"auto_map": {}}'}, "wants to run its own code"),
    ],
)
def test_models_that_can_carry_code_are_refused(hub, tmp_path, files, sentence):
    hub(files)
    with pytest.raises(ModelError, match=sentence):
        store.pull(tmp_path, NEMO)
    assert not list(tmp_path.iterdir())


def test_a_hub_that_does_not_answer_is_told_of(hub, tmp_path):
    hub({}, ConnectionError("refused"))
    with pytest.raises(ModelError, match=r"the model hub did not answer \(ConnectionError\)\. Check the network"):
        store.ensure(tmp_path, NEMO)


def test_half_a_model_does_not_count(hub, tmp_path):
    hub(GOOD)
    folder = store.pull(tmp_path, NEMO)
    (folder / "model.safetensors").unlink()
    assert not store.is_ready(tmp_path, NEMO.slug)
    assert store.ensure(tmp_path, NEMO) == folder
    assert store.is_ready(tmp_path, NEMO.slug)


def test_without_its_package_the_student_asks_for_set_up(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="Run `make setup`"):
        store.packaged_gguf()


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    return store.convert_student(tmp_path_factory.mktemp("models"))


@pytest.mark.slow
def test_the_converted_student_is_safetensors_with_a_tokenizer(converted):
    names = {path.name for path in converted.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", manifest.NAME}
    assert not manifest.problem(converted)
    assert store.ensure(converted.parent, catalogue.get(store.STUDENT)) == converted


@pytest.mark.slow
def test_the_converted_student_answers_with_sense(converted):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converted)
    model = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.float32)
    assert sum(parameter.numel() for parameter in model.parameters()) == catalogue.get(store.STUDENT).parameters
    talk = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt")
    answer = model.generate(**prompt, max_new_tokens=20, do_sample=False)[0][prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
    assert int(answer[-1]) == tokenizer.eos_token_id


@pytest.mark.slow
def test_digits_are_single_tokens_and_control_tokens_are_whole(converted):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert tokenizer.tokenize("In 2024 $62,000<|im_end|>") == [
        *["In", "Ġ", "2", "0", "2", "4", "Ġ$", "6", "2", ",", "0", "0", "0"],
        "<|im_end|>",
    ]


def test_another_revision_replaces_the_one_on_disk_and_the_same_one_by_a_branch_does_not(hub, tmp_path):
    hub(GOOD)
    folder = store.pull(tmp_path, NEMO)
    before = (folder / manifest.NAME).stat().st_ino
    store.pull(tmp_path, NEMO, "main")
    assert (folder / manifest.NAME).stat().st_ino == before
    found = json.loads((folder / manifest.NAME).read_text()) | {"revision": "b" * 40}
    (folder / manifest.NAME).write_text(json.dumps(found))
    store.pull(tmp_path, NEMO, COMMIT)
    assert manifest.read(folder)["revision"] == COMMIT
    assert [path.name for path in tmp_path.iterdir()] == [NEMO.slug], "nothing of the old one is left"


def test_a_bases_own_system_prompt_is_taken(hub, tmp_path):
    hub(GOOD | {"SYSTEM_PROMPT.txt": "First think."})
    assert (store.pull(tmp_path, NEMO) / "SYSTEM_PROMPT.txt").read_text() == "First think."
