"""Loading of the base with its adapter, for the device and the method of a recipe."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from training.recipe.fields import Recipe
from training.trainer.failure import Failure


def device_for(recipe: Recipe) -> str:
    """Return cpu or cuda. Raises Failure when a GPU is requested and there is none."""
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise Failure("bad_recipe", "The recipe asks for a GPU and torch sees none.", "Set the device to auto.")
    if recipe.device == "auto" and recipe.precision == "bfloat16" and not torch.cuda.is_available():
        raise Failure(
            "bad_recipe",
            "The recipe computes in bfloat16 on a GPU, and torch sees none. On a processor that would take 30 times as long.",
            "Check the GPU's driver, or set the device to cpu and the precision to float32.",
        )
    if recipe.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return recipe.device


def load(recipe: Recipe, folder: Path, device: str) -> Any:
    """Load the base with untrained LoRA layers, which are float32 and the only ones that learn. Raises Failure."""
    dtype = getattr(torch, recipe.precision)
    refuse_code(folder)
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "use_safetensors": True}
    if recipe.method == "qlora":
        options["quantization_config"] = nf4(dtype)
    if device == "cuda":
        options["device_map"] = {"": torch.cuda.current_device()}
    try:
        base = auto_class(folder).from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        raise Failure(
            "bad_base", f"The base in {folder.name} cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
    keep_unpacked(base)
    base.config.use_cache = False  # Packed or recomputed passes would otherwise be wrong or wasteful.
    torch.manual_seed(recipe.seed)  # The adapter starts from random weights.
    try:
        model = get_peft_model(base, lora(recipe, hasattr(base.config, "vision_config")))
    except ValueError as error:
        raise Failure("bad_recipe", f"The adapted layers do not fit the base: {str(error).splitlines()[0]}") from error
    return model


def auto_class(folder: Path) -> Any:
    """Return the class to load with: models with vision (Mistral Small 3.1) have one of their own."""
    from transformers import AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM


def refuse_code(folder: Path) -> None:
    """Refuse a base with code of its own or pickles: it must be data. Raises Failure."""
    config = folder / "config.json"
    if not config.exists():
        raise Failure(
            "bad_base", f"The base in {folder.name} has no config.json.", "Download or convert the model again."
        )
    if '"auto_map"' in config.read_text():
        raise Failure("bad_base", f"The base in {folder.name} wants to run its own code (auto_map), which is refused.")


def nf4(dtype: torch.dtype) -> BitsAndBytesConfig:
    """Return the settings of 4-bit NormalFloat with double quantisation, as in QLoRA (arXiv 2305.14314, section 3)."""
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def keep_unpacked(base: Any) -> None:
    """Stop bitsandbytes 0.50 from repacking 4-bit weights of a processor at the first validation.

    It does so where there are bfloat16 units, in place and permanently, and the packed product has no gradient: every
    later training step would silently leave out all layers but the last.
    """
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def lora(recipe: Recipe, sees: bool) -> LoraConfig:
    targets: Any = recipe.targets.strip()
    if targets != "all-linear":
        targets = [name.strip() for name in targets.split(",") if name.strip()]
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
        # The vision tower of a model that also sees is left as it is: only text is trained.
        exclude_modules=r".*(vision_tower|vision_encoder|multi_modal_projector).*" if sees else None,
    )


def restore_float32(model: Any) -> None:
    """Restore float32 in the adapter: trl turns that of a quantised base to bfloat16, in which small updates vanish."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def fast_matmul(recipe: Recipe) -> None:
    """Let oneDNN multiply float32 matrices in bfloat16 units, adding up in float32."""
    products: Any = torch.backends.mkldnn
    products.matmul.fp32_precision = "bf16" if recipe.fast_matmul else "ieee"
