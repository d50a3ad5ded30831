"""Conversion of the student's GGUF into a folder that transformers, the trainer and vLLM read: `convert GGUF FOLDER`.

Run as a child process, for it imports torch. The folder's manifest is written last.
"""

import json
import sys
from pathlib import Path
from typing import Any

from training import manifest

SPECIAL = {
    "bos_token": "<|im_start|>",
    "eos_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|im_end|>",
}


def convert(source: Path, folder: Path) -> None:
    """Write weights (float32 safetensors), tokenizer, chat template and generation settings to `folder`.

    float32, since vLLM and transformers take the dtype from the config, and a CPU without bf16 units is many times
    slower in anything else.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),  # Else saving and training are refused.
        dtype=torch.float32,
    )
    model.config._name_or_path = ""  # Would carry a name of this file's maker, or a path.
    model.generation_config.update(temperature=0.2, top_p=0.9, do_sample=True, max_length=None)
    model.config.quantization_config = None
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer(source).save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner alone; a container may serve as another user.
    manifest.write(folder, slug="smollm2-135m-instruct", source=source.name, revision=manifest.sha256(source))


def tokenizer(source: Path) -> Any:
    """Return the tokenizer as its makers published it: byte-level BPE in which every digit is a word.

    transformers' own GGUF reader leaves the digits out and keeps no special tokens for the template to use.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(source).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    kinds: list[int] = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]  # GGUF's kind 3: control
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **SPECIAL,
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
        additional_special_tokens=control[3:],
        chat_template=fields["tokenizer.chat_template"].contents(),
    )


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    convert(source, folder)
    kept = json.loads((folder / "config.json").read_text())
    print(f"{folder.name}: {kept['model_type']}, {kept['num_hidden_layers']} layers")


if __name__ == "__main__":
    main()
