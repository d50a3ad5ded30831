"""Template filters for counts as people read them."""

from django import template

register = template.Library()


@register.filter
def thousands(number: int) -> str:
    """Format 12480 as 12,480."""
    return f"{number:,}"


@register.filter
def entry(texts: dict[str, str], name: str) -> str:
    """Return the text under a name that contains dots."""
    return texts.get(name, "")


@register.filter
def percent(share: float | None) -> str:
    """Format 0.934 as 93%; a share that is nearly all or nothing with a decimal place."""
    if share is None:
        return "—"
    return f"{100 * share:.1f}%" if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f}%"
