"""Messages that a page shows once, above its content."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from atelier.web.toasts import say_error


def say_error(request: HttpRequest, error: ValidationError) -> None:
    """Show the sentences of an error on the next page."""
    say_error(request, error)
