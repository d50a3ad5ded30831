"""Sampling that forms suggest for endpoints: what the catalogue recommends for their bases."""

from collections.abc import Iterable, Mapping
from typing import Any

from inference.models import Endpoint
from training import catalogue
from training.catalogue import CatalogueBase


def suggested(endpoints: Iterable[Endpoint], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usual values, with what the catalogue recommends for the bases of these endpoints in their place.

    Where two bases differ, the lower value is taken. An answer takes at most half of the shortest context served, for a
    server refuses a request whose answer could be longer than its context.
    """
    known = catalogue.load()
    bases = [known[e.deployment.base] for e in endpoints if e.deployment and e.deployment.base in known]
    found = dict(usual)
    for name in usual:
        if given := [base.sampling[name] for base in bases if name in base.sampling]:
            found[name] = min(given)
    return found | {"max_tokens": int(min([found["max_tokens"], *(_context(base) // 2 for base in bases)]))}


def _context(base: CatalogueBase) -> int:
    """Return the tokens of prompt and answer together that a base is served with."""
    flags = list(base.serve)
    given = flags[flags.index("--max-model-len") + 1] if "--max-model-len" in flags else ""
    return int(given) if given.isdigit() else base.context
