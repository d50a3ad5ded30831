"""Slowing down password guessing: per name and per address, kept in the database so that all processes count alike."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from atelier.accounts.models import SignInFailure

WINDOW = timedelta(minutes=15)
PER_NAME, PER_ADDRESS = 8, 30


def is_blocked(username: str, address: str) -> bool:
    """True when this name or this address failed too often within the window. The answer tells nobody which."""
    recent = SignInFailure.objects.filter(at__gt=timezone.now() - WINDOW)
    return (
        recent.filter(username=username[:150]).count() >= PER_NAME
        or recent.filter(address=address).count() >= PER_ADDRESS
    )


def note_failure(username: str, address: str) -> None:
    SignInFailure.objects.create(username=username[:150], address=address)
    SignInFailure.objects.filter(at__lt=timezone.now() - 4 * WINDOW).delete()


def forget(username: str, address: str) -> None:
    """After a success."""
    SignInFailure.objects.filter(Q(username=username[:150]) | Q(address=address)).delete()
