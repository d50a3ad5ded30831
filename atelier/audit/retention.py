"""Retention of the audit trail and of the throttle's and the quotas' counts, which the reaper applies once an hour."""

import time

from django.conf import settings

from atelier.accounts import throttle
from atelier.audit import trail
from atelier.files import quotas

EVERY_SECONDS = 3600
_last: list[float] = []


def sweep() -> int:
    """Delete what is older than its retention, as the reaper's sweep. Returns 0, since it wakes nothing."""
    now = time.monotonic()
    if _last and now - _last[0] < EVERY_SECONDS:
        return 0
    _last[:] = [now]
    throttle.sweep()
    quotas.sweep()
    trail.delete_before(settings.AUDIT_DAYS)
    return 0
