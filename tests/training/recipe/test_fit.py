"""The recipe that fits a machine."""

import json

import pytest

from training import catalogue
from training.recipe.fields import Recipe
from training.recipe.fit import Device, fit, gpu_of, needed_gib


def test_a_small_model_on_a_processor_learns_in_float32():
    recipe = fit(Device("cpu", memory_gib=16, cores=2, bf16=True), catalogue.get("smollm2-135m-instruct"))
    assert (recipe.method, recipe.precision, recipe.fast_matmul) == ("lora", "float32", True)
    assert not recipe.gradient_checkpointing


def test_without_bfloat16_units_products_stay_exact():
    assert not fit(Device("cpu", cores=2), catalogue.get("smollm2-135m-instruct")).fast_matmul


def test_a_large_model_on_a_small_gpu_is_squeezed():
    recipe = fit(Device("cuda", "L4", 24, bf16=True), catalogue.get("mistral-nemo-instruct-2407"))
    assert (recipe.method, recipe.precision, recipe.gradient_checkpointing) == ("qlora", "bfloat16", True)


def test_a_large_model_on_a_large_gpu_is_not():
    recipe = fit(Device("cuda", "H100", 80, bf16=True), catalogue.get("mistral-nemo-instruct-2407"))
    assert recipe.method == "lora"


@pytest.mark.parametrize("slug", list(catalogue.load()))
@pytest.mark.parametrize("device", [Device("cpu"), Device("cuda", memory_gib=24, bf16=True)])
def test_every_fitting_recipe_is_valid(slug, device):
    recipe = fit(device, catalogue.get(slug))
    assert Recipe.from_dict(json.loads(recipe.to_json())) == recipe


MISTRAL = catalogue.get("mistral-7b-instruct-v0-3")


def test_float32_takes_two_bytes_more_for_each_parameter():
    # 22 GiB in bfloat16, 13.5 more in float32
    assert fit(Device("cuda", "A100", 24, bf16=True), MISTRAL).method == "lora"
    older = fit(Device("cuda", "RTX 8000", 24), MISTRAL)
    assert (older.method, older.precision) == ("qlora", "float32")
    assert fit(Device("cuda", "RTX 8000", 48), MISTRAL).method == "lora"
    assert fit(Device("cpu", memory_gib=32), MISTRAL).method == "qlora"
    assert needed_gib(Device("cpu"), catalogue.get("smollm2-135m-instruct")) == 2


LISTING = """0, GPU-aa11, NVIDIA L4, 23034, 8.9
1, GPU-bb22, Quadro RTX 8000, 49152, 7.5
2, GPU-cc33, NVIDIA GB10, [N/A], 12.1
"""


@pytest.mark.parametrize(
    ("visible", "name", "bf16"),
    [
        (None, "NVIDIA L4", True),
        ("1", "Quadro RTX 8000", False),
        ("1,0", "Quadro RTX 8000", False),
        ("GPU-bb22", "Quadro RTX 8000", False),
    ],
)
def test_the_gpu_that_is_visible_is_the_one_that_counts(visible, name, bf16):
    device = gpu_of(LISTING, visible)
    assert (device.kind, device.name, device.bf16) == ("cuda", name, bf16)


def test_a_gpu_that_shares_the_machines_memory_has_the_machines():
    assert gpu_of(LISTING, "2").memory_gib == Device.detect().memory_gib


@pytest.mark.parametrize("visible", ["", "-1", "7"])
def test_no_visible_gpu_is_none(visible):
    assert gpu_of(LISTING, visible) is None


def test_this_machine_is_seen():
    device = Device.detect()
    assert device.memory_gib > 0
    assert device.cores > 0
