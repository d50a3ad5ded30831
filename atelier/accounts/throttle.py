"""Rate limit of sign-in attempts: slows down the guessing of passwords, without locking anybody out.

Each attempt is counted before it is judged, in rows of the database, so that many at once count as well. People who
sign in from a browser that they used before are counted apart from strangers: hammering at a name keeps strangers out,
not its owner. Nobody waits in a thread of the web process: the response states when to retry.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from atelier.accounts import browsers, names
from atelier.accounts.models import SignInPace
from atelier.network import client_address

KEPT = timedelta(hours=6)  # after that whatever was counted has leaked away
MOST_ROWS = 200_000
FIRST_PAUSE = 4.0  # seconds


@dataclass(frozen=True)
class Budget:
    """A rate limit: so many attempts at once, then pauses of 4, 8, 16 … seconds, at most `longest`.

    One is forgotten each `leak` seconds.
    """

    free: int
    leak: float
    longest: float

    def pause(self, failures: float) -> float:
        """Return the seconds until the next attempt after so many failures."""
        over = failures - self.free  # a little below a whole number, for some has leaked away meanwhile
        return 0.0 if over < -0.5 else min(self.longest, FIRST_PAUSE * 2 ** min(max(over, 0), 20))


NAME_AND_PLACE = Budget(free=5, leak=300, longest=300)
NAME = Budget(free=50, leak=60, longest=60)  # from all places where this person never signed in
PLACE = Budget(free=30, leak=30, longest=60)  # at all names
NAME_AND_BROWSER = Budget(free=10, leak=300, longest=300)


class _PlaceTaken(Exception):
    """Somebody took the last permitted attempt a moment ago."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class SignInAttempt:
    """A sign-in attempt: one password for one name, from one place and browser.

    `begin`, judge the password, then `succeed` if it was right.
    """

    def __init__(self, request: HttpRequest, username: str) -> None:
        name, place = names.compared(username), client_address.place(request.META.get("REMOTE_ADDR") or "")
        browser = browsers.digest_of(request)
        own, shared = _key("name and place", name, place), [(PLACE, _key("place", place))]
        if browser and browsers.is_known(name, browser):
            self.budgets = [(NAME_AND_BROWSER, _key("name and browser", name, browser))]
        elif browsers.is_known_place(name, place):
            self.budgets = [(NAME_AND_PLACE, own), *shared]
        else:
            self.budgets = [(NAME_AND_PLACE, own), (NAME, _key("name", name)), *shared]

    def begin(self) -> float:
        """Count the attempt. Returns the seconds to wait instead of judging it; 0 when it may be judged now."""
        now = timezone.now()
        known = dict(SignInPace.objects.filter(key__in=[key for _, key in self.budgets]).values_list("key", "free_at"))
        waits = [_wait(budget, known[key], now) for budget, key in self.budgets if key in known]
        if any(waits):  # without writing: hammering costs the database a read
            return max(waits)
        try:
            with transaction.atomic():
                for budget, key in self.budgets:  # always in this order, so that no two wait for each other
                    _count(budget, key)
        except _PlaceTaken as early:
            return early.seconds
        return 0.0

    def succeed(self) -> None:
        """Record that the password was right: forget this name's failures from here, and undo what was counted elsewhere."""
        SignInPace.objects.filter(key=self.budgets[0][1]).delete()
        fewer = Case(When(failures__gt=1, then=F("failures") - 1), default=Value(0.0))
        shared = [key for _, key in self.budgets[1:]]
        SignInPace.objects.filter(key__in=shared).update(failures=fewer, free_at=timezone.now())


def _key(kind: str, *parts: str) -> str:
    return salted_hmac(f"atelier.sign_in {kind}", "\0".join(parts), algorithm="sha256").hexdigest()


def _wait(budget: Budget, free_at: datetime, now: datetime) -> float:
    """Return the seconds to wait. A time further ahead than any pause was written before the clock was set back."""
    seconds = (free_at - now).total_seconds()
    return seconds if 0 < seconds <= budget.longest else 0.0


def _count(budget: Budget, key: str) -> None:
    """Count an attempt inside a transaction with the row locked, so that simultaneous attempts are counted one by one."""
    start = timezone.now()
    row, _ = SignInPace.objects.select_for_update().get_or_create(key=key, defaults={"at": start, "free_at": start})
    now = timezone.now()
    if wait := _wait(budget, row.free_at, now):
        raise _PlaceTaken(wait)
    passed = max(0.0, (now - row.at).total_seconds())
    row.failures = max(0.0, row.failures - passed / budget.leak) + 1
    row.at, row.free_at = now, now + timedelta(seconds=budget.pause(row.failures))
    row.save(update_fields=["failures", "at", "free_at"])


def sentence(seconds: float) -> str:
    """Return a sentence for people on when to retry."""
    whole = max(1, round(seconds + 0.5))
    if whole < 90:
        return f"Too many attempts. Try again in {whole} second{'' if whole == 1 else 's'}."
    return f"Too many attempts. Try again in {round(whole / 60)} minutes."


def refuse(response: HttpResponse, seconds: float) -> HttpResponse:
    """Turn a response into a 429 that states when to retry."""
    response.status_code = 429
    response["Retry-After"] = str(max(1, round(seconds + 0.5)))
    return response


def sweep() -> None:
    """Delete counts that have leaked away, and the oldest of more rows than are ever needed."""
    SignInPace.objects.filter(at__lt=timezone.now() - KEPT).delete()
    last = SignInPace.objects.order_by("-at").values_list("at", flat=True)[MOST_ROWS : MOST_ROWS + 1].first()
    if last is not None:
        SignInPace.objects.filter(at__lte=last).delete()
