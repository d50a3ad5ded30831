"""The tally of an erasure: how many of each thing were erased, counted in the transaction that erases them."""

from collections import Counter

from atelier.jobs.claims import Claim
from curation.models import Erasure


def add(claim: Claim[Erasure], **more: int) -> None:
    """Add to what was erased; a name's underscores are spaces. Call it within `claim.writing()`."""
    counted = Counter({name.replace("_", " "): count for name, count in more.items() if count})
    if counted:
        claim.update(erased=dict(Counter(claim.job.erased) + counted))
