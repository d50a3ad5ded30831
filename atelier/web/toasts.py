"""Messages that a page shows once, above its content."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest


def say_error(request: HttpRequest, error: ValidationError) -> None:
    """Show the sentences of an error on the next page."""
    messages.error(request, " ".join(error.messages))
