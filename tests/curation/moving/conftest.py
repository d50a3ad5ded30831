"""A dataset to move into, and people whom the exports know."""

import pytest

from curation import datasets
from curation.models import Dataset


@pytest.fixture
def moved_into(project, alice) -> Dataset:
    return datasets.create(project, alice, "Moved")


@pytest.fixture
def people(alice, bob, ann):
    """Ann and Bob by the e-mails that they had in Label Studio."""
    for user in (bob, ann):
        user.email = f"{user.username}@atelier.test"
        user.save()
    return {"ann": ann, "bob": bob}
