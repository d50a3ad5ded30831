"""A dataset to move into, and people whom the exports know."""

import pytest

from curation.datasets import settings
from curation.models import Dataset


@pytest.fixture
def moved_into(project, alice) -> Dataset:
    return settings.create(project, alice, "Moved")


@pytest.fixture
def people(alice, bob, ann):
    """Give Ann and Bob the e-mails that they had in Label Studio."""
    for user in (bob, ann):
        user.email = f"{user.username}@atelier.test"
        user.save()
    return {"ann": ann, "bob": bob}
