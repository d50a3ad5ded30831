"""The bases that can be trained and served: `catalogue.toml`, checked as it is read."""

import functools
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "catalogue.toml"
# How text becomes tokens: mistral-common with the version of its rules, or the chat template of the model's own files.
TOKENIZERS = ("chat-template", "mistral-v1", "mistral-v3", "mistral-v7", "mistral-v11", "mistral-v13")


class CatalogueError(ValueError):
    """The catalogue cannot be used; the message names the entry and what is wrong."""


@dataclass(frozen=True)
class Base:
    """One base model. Sizes in GiB, context in tokens, `targets` as the recipe takes them."""

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
    serve_gib: float
    revision: str | None = None
    targets: str = "all-linear"
    serve: tuple[str, ...] = ()
    vision: bool = False
    reasoning: bool = False
    notes: str = ""
    sampling: dict[str, float] = field(default_factory=dict)

    @property
    def is_mistral(self) -> bool:
        """True when mistral-common encodes its conversations."""
        return self.tokenizer.startswith("mistral-")


@functools.cache
def load(path: Path = HERE) -> dict[str, Base]:
    """Every base by its slug, in the file's order. Raises CatalogueError."""
    try:
        entries = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error
    return {slug: _base(slug, values) for slug, values in entries.items()}


def get(slug: str) -> Base:
    """Raises CatalogueError, naming what there is."""
    bases = load()
    if slug not in bases:
        raise CatalogueError(f"There is no base {slug!r}. There are: {', '.join(bases)}.")
    return bases[slug]


def _base(slug: str, values: dict[str, Any]) -> Base:
    known = {item.name for item in fields(Base)}
    if unknown := sorted(set(values) - known):
        raise CatalogueError(f"{slug}: there is no field {unknown[0]!r}.")
    if values.get("tokenizer") not in TOKENIZERS:
        raise CatalogueError(f"{slug}: tokenizer must be one of {', '.join(TOKENIZERS)}.")
    # TOML has no null: an empty revision is one that is looked up when the model is pulled.
    values = values | {"serve": tuple(values.get("serve", ())), "revision": values.get("revision") or None}
    try:
        base = Base(slug=slug, **values)
    except TypeError as error:
        raise CatalogueError(f"{slug}: {str(error).partition('() ')[2]}.") from error
    for name in ("parameters", "context", "lora_gib", "qlora_gib", "serve_gib"):
        if not getattr(base, name) > 0:
            raise CatalogueError(f"{slug}: {name} must be above 0.")
    return base
