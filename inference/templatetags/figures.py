"""Template filters for figures."""

from django import template

register = template.Library()


@register.filter
def percent(share: float | None, places: int = 0) -> str:
    """Format a share of 0 to 1 as 62%."""
    return "" if share is None else f"{100 * share:.{places}f}%"


@register.filter
def points(difference: float | None) -> str:
    """Format a difference of shares with its sign, in percentage points: +31."""
    return "" if difference is None else f"{100 * difference:+.0f}".replace("-", "−")


@register.filter
def signed(number: float | None) -> str:
    """Format a difference with its sign and one decimal: +12.4."""
    return "" if number is None else f"{number:+.1f}".replace("-", "−")
