"""Conversations as input ids and labels: loss on the assistant's tokens alone, the end of its turn included.

Two codecs, one for each family of tokenizers. A turn is learned behind exactly the ids that a server makes of the messages
before it. Where one row cannot hold that for all of its turns (older Mistral rules write the system prompt and the tools
before the last user message alone; thoughts are not sent back), the conversation becomes several rows. In both codecs
the name of a control token inside a text stays text.
"""

from pathlib import Path
from typing import Any, Protocol

from training.trainer.mistral_codec import MistralCodec
from training.trainer.template_codec import TemplateCodec
from training.trainer.turns import EncodedRow, Message


class Codec(Protocol):
    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> list[EncodedRow]:
        """Encode one conversation as the rows that its learned turns need; [] when no turn is learned.

        Raises UnusableRow for what cannot be learned as it will be served.
        """


def codec_for(folder: Path, kind: str) -> Codec:
    """Return the codec of a base: `kind` is chat-template or mistral-vN as in the catalogue."""
    if kind.startswith("mistral"):
        return MistralCodec(folder)
    return TemplateCodec(folder)


def quiet_tokenizer() -> Any:
    """Return a tokenizer without tokens, because the trainer library requires one: rows come to it tokenised."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
