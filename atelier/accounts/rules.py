"""The machine-checkable rules of a project: TOML, validated when it is saved and read when answers are judged."""

from django.core.exceptions import ValidationError

from curation.scoring import RulesError, RuleSet, load_rules


def checked_rules(text: str) -> str:
    """Return the rules' text with uniform line ends. Raises ValidationError with what is wrong and where."""
    text = text.replace("\r\n", "\n")
    rules_of(text)
    return text


def rules_of(text: str) -> RuleSet | None:
    """Return the rule set of a TOML text; None for no rules. Raises ValidationError."""
    if not text.strip():
        return None
    try:
        return load_rules(text)
    except RulesError as error:
        raise ValidationError(str(error)) from error
