"""Thirty conversations, of which one is about a person."""

import pytest

from tests.curation.erasures.erasing import about
from tests.curation.teacher import conversations


@pytest.fixture
def briefs(project):
    """Thirty conversations, of which one is about a person."""
    dataset = conversations(project, 30)
    about(dataset.records.order_by("pk")[7])
    return dataset
