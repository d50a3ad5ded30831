"""Counts as people read them."""

from django import template

register = template.Library()


@register.filter
def thousands(number: int) -> str:
    """12480 as 12,480."""
    return f"{number:,}"


@register.filter
def entry(texts: dict[str, str], name: str) -> str:
    """The text under a name that holds dots."""
    return texts.get(name, "")
