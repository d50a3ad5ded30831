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
    """Save a byte-level tokenizer of 259 tokens with a ChatML template in `folder`; return its path."""
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
    """Copy a tokenizer file that mistral-common ships, under the name it has in a model's folder."""
    import mistral_common

    folder.mkdir(parents=True, exist_ok=True)
    target = "tekken.json" if name.endswith(".json") else "tokenizer.model." + name.rpartition(".")[2]
    shutil.copy(Path(mistral_common.__file__).parent / "data" / name, folder / target)
    return folder


def tekken_of(folder: Path, version: int) -> Path:
    """A tekken tokenizer with the rules of v11 or v13, which mistral-common ships none of: its own vocabulary, renamed."""
    import json

    import mistral_common

    source = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    about = json.loads(source.read_text())
    names = [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
        "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]  # fmt: skip
    names += [f"<SPECIAL_{rank}>" for rank in range(len(names), about["config"]["default_num_special_tokens"])]
    names[32:34] = "[ARGS]", "[CALL_ID]"
    names[34:36] = "[THINK]", "[/THINK]"
    about["config"]["version"] = f"v{version}"
    about["special_tokens"] = [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tekken.json").write_text(json.dumps(about))
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
    """Return conversations of different lengths about nothing."""
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
