"""Checkpoints that verify, and the newest good one after any damage."""

import errno
import json

import pytest
import torch

from training import manifest
from training.trainer import checkpoints
from training.trainer.batches import LengthSampler, collator, dataset
from training.trainer.rows import TokenisedRows
from training.trainer.tokens import EncodedRow


class Learner(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = torch.nn.Linear(3, 3).requires_grad_(False)
        self.learns = torch.nn.Linear(3, 2)


@pytest.fixture
def learner():
    torch.manual_seed(1)
    model = Learner()
    optimizer = torch.optim.AdamW(model.learns.parameters(), lr=0.1, betas=(0.8, 0.9))
    model.learns(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def save(folder, learner, step, keep=3):
    return checkpoints.save(
        folder,
        step,
        *learner,
        lambda path: open(path, "w").write("{}"),
        {"tokens": step},
        checkpoints.randomness(),
        keep,
    )


def test_a_checkpoint_holds_only_what_learns_and_no_pickle(tmp_path, learner):
    path = save(tmp_path, learner, 4)
    assert {p.suffix for p in path.iterdir()} == {".safetensors", ".json"}
    assert set(checkpoints.load_file(path / checkpoints.WEIGHTS)) == {"learns.weight", "learns.bias"}
    assert not manifest.problem(path)


def test_weights_and_optimizer_come_back_bit_by_bit(tmp_path, learner):
    model, optimizer = learner
    path = save(tmp_path, learner, 1)
    other = Learner()
    fresh = torch.optim.AdamW(other.learns.parameters(), lr=9)
    checkpoints.load_weights(path, other)
    checkpoints.load_optimizer(path, fresh)
    assert torch.equal(other.learns.weight, model.learns.weight)
    before, after = optimizer.state_dict(), fresh.state_dict()
    assert before["param_groups"] == after["param_groups"]
    for index, entries in before["state"].items():
        for key, value in entries.items():
            assert torch.equal(value, after["state"][index][key])


def test_random_numbers_go_on_where_they_were(tmp_path, learner):
    path = save(tmp_path, learner, 1)
    expected = torch.rand(3)
    torch.rand(50)
    checkpoints.load_randomness(path)
    assert torch.equal(torch.rand(3), expected)


def test_only_the_newest_are_kept(tmp_path, learner):
    for step in (1, 2, 10, 11):
        save(tmp_path, learner, step, keep=2)
    assert [checkpoints.step_of(path) for path in checkpoints.found(tmp_path)] == [11, 10]


@pytest.mark.parametrize("name", [*sorted(["adapter.safetensors", "optimizer.safetensors", "counts.json"])])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "zeroed"])
def test_a_damaged_newest_is_told_of_and_the_one_before_is_used(tmp_path, learner, name, damage):
    save(tmp_path, learner, 1)
    broken = save(tmp_path, learner, 2) / name
    content = bytearray(broken.read_bytes())
    broken.unlink()
    if damage != "gone":
        content[len(content) // 2] ^= 1
        broken.write_bytes({"flipped": content, "cut": content[:-1], "zeroed": bytes(len(content))}[damage])
    told = []
    assert checkpoints.step_of(checkpoints.newest(tmp_path, told.append)) == 1
    assert len(told) == 1
    assert name in told[0]
    assert "step-000002" in told[0]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"files": 3}'])
def test_without_a_good_manifest_a_checkpoint_does_not_count(tmp_path, learner, text):
    path = save(tmp_path, learner, 1) / manifest.NAME
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert checkpoints.newest(tmp_path, lambda sentence: None) is None


def test_a_draft_left_by_a_kill_is_swept(tmp_path):
    (tmp_path / ".draft-000007").mkdir()
    assert checkpoints.newest(tmp_path, print) is None
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_checkpoint_before_and_no_draft(tmp_path, learner):
    save(tmp_path, learner, 1)

    def full(path: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.save(tmp_path, 2, *learner, full, {}, checkpoints.randomness(), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
    assert not manifest.problem(tmp_path / "step-000001")


def test_another_recipes_checkpoint_is_refused(tmp_path, learner):
    path = save(tmp_path, learner, 1)
    with pytest.raises(ValueError, match="another recipe"):
        checkpoints.load_weights(path, torch.nn.Linear(2, 2))


def test_a_manifest_lists_every_file_with_its_facts(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("x")
    manifest.write(tmp_path, step=3)
    assert json.loads((tmp_path / manifest.NAME).read_text())["step"] == 3
    assert not manifest.problem(tmp_path)
    (tmp_path / "a" / "b.txt").write_text("y")
    assert manifest.problem(tmp_path) == "the content of a/b.txt has changed"
    assert not manifest.problem(tmp_path, hashes=False)


LENGTHS = [40, 3, 77, 12, 5, 6, 70, 41, 39, 13, 11]


def order(seed: int, epoch: int) -> list[int]:
    sampler = LengthSampler(LENGTHS, 2, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_row_is_seen_once_an_epoch():
    assert sorted(order(1, 0)) == list(range(len(LENGTHS)))


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_the_longest_batch_is_the_first_of_all():
    lengths = list(range(10, 90))
    for seed in range(5):
        sampler = LengthSampler(lengths, 4, seed)
        rows = [lengths[i] for i in sampler]
        assert max(rows) in rows[:4], "what does not fit into memory shows at once"
        sampler.set_epoch(1)
        assert sorted(sampler) == list(range(80))


def test_batches_are_of_like_length():
    lengths = list(range(10, 410))
    sampler = LengthSampler(lengths, 4, 0)
    rows = [lengths[i] for i in sampler]
    padded = sum(4 * max(rows[at : at + 4]) for at in range(0, len(rows), 4))
    assert padded < 1.1 * sum(rows)


def test_rows_are_padded_on_the_right():
    rows = TokenisedRows([EncodedRow([5, 6, 7], [-100, 6, 7]), EncodedRow([8], [-100])], [])
    batch = collator(list(dataset(rows)))
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [-100, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_best_weights_stay_while_a_damaged_checkpoint_may_need_them(tmp_path, learner):
    checkpoints.save_best(tmp_path, 2, learner[0])
    (save(tmp_path, learner, 3) / checkpoints.COUNTS).write_text("{")
    checkpoints.save_best(tmp_path, 4, learner[0])
    assert not manifest.problem(save(tmp_path, learner, 5))
    assert checkpoints.best_of(tmp_path, 4).is_dir()
