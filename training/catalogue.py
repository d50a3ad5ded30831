"""The catalogue of bases that can be trained and served: `catalogue.toml`, validated as it is read."""

import functools
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "catalogue.toml"
# How text becomes tokens: mistral-common with the version of its rules, or the chat template of the model's own files.
TOKENIZERS = ("chat-template", "mistral-v1", "mistral-v3", "mistral-v7", "mistral-v11", "mistral-v13")


class CatalogueError(ValueError):
    """An invalid catalogue; the message names the entry and what is wrong."""


@dataclass(frozen=True)
class CatalogueBase:
    """A base model. Sizes in GiB, context in tokens, `targets` as the recipe takes them."""

    slug: str
    title: str
    hub_id: str
    architecture: str
    tokenizer: str
    parameters: int
    context: int
    licence: str
    lora_gib: float
    qlora_gib: float
    serve_8k_gib: float
    kv_kib: float
    revision: str | None = None
    targets: str = "all-linear"
    serve: tuple[str, ...] = ()
    vision: bool = False
    reasoning: bool = False
    notes: str = ""
    untrainable: str = ""
    sampling: dict[str, float] = field(default_factory=dict)

    @property
    def is_mistral(self) -> bool:
        """Return whether mistral-common encodes its conversations."""
        return self.tokenizer.startswith("mistral-")

    @property
    def served_tokens(self) -> int:
        """Return the length of the longest request that its server takes: `--max-model-len`, else the context."""
        flags = list(self.serve)
        return int(flags[flags.index("--max-model-len") + 1]) if "--max-model-len" in flags else self.context

    @property
    def serve_gib(self) -> float:
        """Return the memory that serves it, in GiB, with room for one request of the length served."""
        return round(self.serve_8k_gib + (self.served_tokens - 8192) * self.kv_kib / 2**20, 1)

    @property
    def unwanted_files(self) -> tuple[str, ...]:
        """Patterns of files that neither training nor serving reads here.

        Mistral's repositories hold the weights twice: in shards, which both read, and in one file in Mistral's own format.
        """
        own_format = "--load-format" in self.serve and self.serve[self.serve.index("--load-format") + 1] == "mistral"
        return () if own_format or not self.is_mistral else ("consolidated*.safetensors",)


@functools.cache
def load(path: Path = HERE) -> dict[str, CatalogueBase]:
    """Return every base by its slug, in the file's order. Raises CatalogueError."""
    try:
        entries = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error
    return {slug: _base(slug, values) for slug, values in entries.items()}


def get(slug: str) -> CatalogueBase:
    """Return a base by its slug. Raises CatalogueError, naming what there is."""
    bases = load()
    if slug not in bases:
        raise CatalogueError(f"No base is called {slug!r}. Available: {', '.join(bases)}.")
    return bases[slug]


def _base(slug: str, values: dict[str, Any]) -> CatalogueBase:
    known = {item.name for item in fields(CatalogueBase)}
    if unknown := sorted(set(values) - known):
        raise CatalogueError(f"{slug}: unknown field {unknown[0]!r}.")
    if values.get("tokenizer") not in TOKENIZERS:
        raise CatalogueError(f"{slug}: tokenizer must be one of {', '.join(TOKENIZERS)}.")
    # TOML has no null: an empty revision is one that is looked up when the model is pulled.
    values = values | {"serve": tuple(values.get("serve", ())), "revision": values.get("revision") or None}
    try:
        base = CatalogueBase(slug=slug, **values)
    except TypeError as error:
        raise CatalogueError(f"{slug}: {str(error).partition('() ')[2]}.") from error
    for name in ("parameters", "context", "lora_gib", "qlora_gib", "serve_8k_gib", "kv_kib"):
        if not getattr(base, name) > 0:
            raise CatalogueError(f"{slug}: {name} must be above 0.")
    return base
