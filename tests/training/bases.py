"""Tiny bases with random weights: a Llama with a chat template, a Mistral with mistral-common's tokens."""

import shutil
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def template_tokenizer(folder: Path) -> Path:
    """A byte-level tokenizer of 259 tokens with a ChatML template, saved in `folder`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(control + alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    names = dict(zip(("unk_token", "bos_token", "eos_token"), control, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=TEMPLATE, **names).save_pretrained(folder)
    return folder


def mistral_tokenizer(folder: Path, name: str = "mistral_instruct_tokenizer_240323.model.v3") -> Path:
    """A tokenizer file that mistral-common ships, under the name it has in a model's folder."""
    import mistral_common

    folder.mkdir(parents=True, exist_ok=True)
    target = "tekken.json" if name.endswith(".json") else "tokenizer.model." + name.rpartition(".")[2]
    shutil.copy(Path(mistral_common.__file__).parent / "data" / name, folder / target)
    return folder


def tiny_llama(folder: Path) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=259, **SIZES)).save_pretrained(folder)
    return template_tokenizer(folder)


def tiny_mistral(folder: Path) -> Path:
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    MistralForCausalLM(MistralConfig(vocab_size=32_768, **SIZES)).save_pretrained(folder)
    return mistral_tokenizer(folder)


def rows(count: int = 24) -> list[dict[str, Any]]:
    """Conversations of different lengths about nothing."""
    return [
        {
            "id": f"r{i}",
            "messages": [
                {"role": "user", "content": f"Say {i} " + "please " * (i % 5)},
                {"role": "assistant", "content": f"Here is {i}." + " Done." * (i % 3)},
            ],
        }
        for i in range(count)
    ]
