"""What waits for room on the disk is not woken before there is some."""

import errno
from datetime import timedelta

import pytest
from django.utils import timezone

from atelier.files import disk
from atelier.jobs import reaper
from atelier.jobs.models import PauseReason, Status
from curation.models import BulkAction, Dataset


def test_a_file_that_may_not_grow_is_no_full_disk():
    assert disk.is_full(OSError(errno.ENOSPC, "full"))
    assert not disk.is_full(OSError(errno.EFBIG, "too large"))


@pytest.mark.django_db
def test_a_job_that_waits_for_room_is_woken_when_there_is_some(project, monkeypatch):
    dataset = Dataset.objects.create(project=project, name="Briefs", kind="documents")
    long_ago = timezone.now() - timedelta(hours=1)
    waits, other = (
        BulkAction.objects.create(
            project=project,
            dataset=dataset,
            action="accept",
            status=Status.QUEUED,
            woken_at=long_ago,
            pause_reason=reason,
        )
        for reason in (PauseReason.DISK, "")
    )
    monkeypatch.setattr(disk, "free_bytes", lambda: disk.ROOM_BYTES - 1)
    assert reaper._unheard(BulkAction, 9) == [other.pk]
    monkeypatch.setattr(disk, "free_bytes", lambda: disk.ROOM_BYTES)
    assert reaper._unheard(BulkAction, 9) == [waits.pk, other.pk]
