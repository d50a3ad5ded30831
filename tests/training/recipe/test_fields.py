"""The fields of a recipe: limits, defaults, and a sentence for what is wrong."""

import pytest

from training.recipe.fields import FIELDS, Recipe, RecipeError


def test_every_field_says_what_it_is_and_where_it_ends():
    for name, item in FIELDS.items():
        assert item.metadata["label"], name
        assert item.metadata["help"].endswith((".", "usual.")), name
        if item.type in (int, float):
            assert item.metadata["min"] <= item.default <= item.metadata["max"], name


def test_json_there_and_back():
    recipe = Recipe(epochs=1.5, system_prompt="Répondez.", targets="q_proj, v_proj")
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_missing_fields_take_their_defaults():
    assert Recipe.from_dict({"rank": 8}) == Recipe(rank=8)


@pytest.mark.parametrize(
    ("values", "name", "sentence"),
    [
        ({"rank": 0}, "rank", "LoRA rank must be between 1 and 64, not 0."),
        ({"rank": 2.5}, "rank", "LoRA rank must be a whole number, not 2.5."),
        ({"epochs": "many"}, "epochs", "Epochs must be a number, not 'many'."),
        ({"epochs": True}, "epochs", "Epochs must be a number, not True."),
        ({"learning_rate": float("nan")}, "learning_rate", "Learning rate must be between 1e-07 and 0.1, not nan."),
        ({"method": "full"}, "method", "Method must be one of lora, qlora, not 'full'."),
        (
            {"gradient_checkpointing": 1},
            "gradient_checkpointing",
            "Gradient checkpointing must be true or false, not 1.",
        ),
        ({"targets": " "}, "targets", "Target modules must name at least one module, or all-linear."),
        ({"warmup_ratio": 0.1}, "warmup_ratio", "A recipe has no field warmup_ratio."),
    ],
)
def test_a_bad_value_gets_a_sentence(values, name, sentence):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(values)
    assert caught.value.problems == {name: sentence}


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_recipe_gets_a_sentence(text):
    with pytest.raises(RecipeError, match="recipe"):
        Recipe.from_json(text)


def test_whole_numbers_written_as_floats_are_whole():
    assert Recipe.from_dict({"batch_size": 4.0}).batch_size == 4
    assert isinstance(Recipe.from_dict({"epochs": 3}).epochs, float)


@pytest.mark.parametrize("targets", ["lm_head", "q_proj, lm_head", "model.embed_tokens,v_proj"])
def test_the_output_layer_is_no_target(targets):
    with pytest.raises(RecipeError, match="would learn nothing"):
        Recipe.from_dict({"targets": targets})
