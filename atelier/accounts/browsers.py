"""Browsers in which people signed in: a lasting cookie, known by its hash.

It grants nothing; the sign-in throttle looks at it.
"""

import hashlib
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from atelier.accounts.models import KnownBrowser, User
from atelier.network import client_address

LASTS = timedelta(days=365)
PLACE_LASTS = timedelta(days=90)
MOST = 20  # of one person


def digest_of(request: HttpRequest) -> str:
    """Return the hash of the browser's cookie; empty if it has none of Atelier's."""
    token = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")
    return hashlib.sha256(token.encode()).hexdigest() if re.fullmatch(r"[\w-]{43}", token, re.ASCII) else ""


def is_known(name: str, digest: str) -> bool:
    """Return whether the person of this compared name signed in with this browser within a year."""
    rows = KnownBrowser.objects.filter(user__compared_name=name, digest=digest, at__gt=timezone.now() - LASTS)
    return rows.exists()


def is_known_place(name: str, place: str) -> bool:
    """Return whether the person of this compared name signed in from this place within three months."""
    rows = KnownBrowser.objects.filter(user__compared_name=name, place=place, at__gt=timezone.now() - PLACE_LASTS)
    return place != client_address.UNKNOWN and rows.exists()


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Remember this browser, and the place, after a sign-in."""
    digest = digest_of(request)
    if not digest:
        token = secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        response.set_cookie(
            settings.BROWSER_COOKIE_NAME, token, max_age=LASTS, httponly=True, samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )  # fmt: skip
    place = client_address.place(request.META.get("REMOTE_ADDR") or "")
    user.browsers.update_or_create(digest=digest, defaults={"place": place, "at": timezone.now()})
    older = user.browsers.order_by("-at", "-pk").values_list("pk", flat=True)[MOST:]
    user.browsers.filter(pk__in=list(older)).delete()


def forget_others(request: HttpRequest, user: User) -> None:
    """Forget all browsers but this one after a new password: people who knew the old one are strangers again."""
    user.browsers.exclude(digest=digest_of(request)).delete()
