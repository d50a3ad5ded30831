"""Rule sets: the part of a style guide that a program can check.

A rule set is TOML:

    name = "Plain Desk"

    [[rule]]
    id = "headline"
    title = "Headline of at most eight words"
    kind = "headline"
    group = "shape"
    [rule.params]
    max_words = 8

The kinds are in `KINDS`; each module of kinds documents its parameters.
"""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from curation.scoring.figures import DatesTimes, Numbers, PercentMoney
from curation.scoring.kinds import Fault, KindError, RuleKind
from curation.scoring.language import Spelling
from curation.scoring.prose import Prose
from curation.scoring.shape import BodySentences, Headline, SentenceWords
from curation.scoring.words import ForbidPattern, ForbidWords, NoShouting

# Longer texts are judged by their beginning: no rule needs more, and a runaway answer must not hold a worker.
MAX_TEXT = 20_000

KINDS: dict[str, type[RuleKind]] = {
    "headline": Headline,
    "body_sentences": BodySentences,
    "sentence_words": SentenceWords,
    "forbid_pattern": ForbidPattern,
    "forbid_words": ForbidWords,
    "no_shouting": NoShouting,
    "numbers": Numbers,
    "percent_money": PercentMoney,
    "dates_times": DatesTimes,
    "spelling": Spelling,
}


class RulesError(ValueError):
    """A rule set that cannot be used; the message is a sentence that names the rule."""


@dataclass(frozen=True)
class RuleVerdict:
    """The verdict whether a text keeps a rule; if not, why, and the words that break it."""

    rule_id: str
    ok: bool
    why: str = ""
    excerpt: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule; `check` is its kind with its parameters."""

    id: str
    title: str
    kind: str
    check: RuleKind
    group: str = ""
    params: dict[str, Any] = field(default_factory=dict)

    def judge(self, prose: Prose) -> RuleVerdict:
        fault = self.check.fault(prose)
        return RuleVerdict(self.id, True) if fault is None else RuleVerdict(self.id, False, fault.why, fault.excerpt)


@dataclass(frozen=True)
class RuleSet:
    """A set of rules in the order of their guide."""

    name: str
    rules: tuple[Rule, ...]

    def judge(self, text: str) -> list[RuleVerdict]:
        """Return one verdict per rule, in order. A text of nothing but white space keeps no rule."""
        if not text.strip():
            return [RuleVerdict(rule.id, False, "The text is empty.") for rule in self.rules]
        prose = Prose(text[:MAX_TEXT])
        return [rule.judge(prose) for rule in self.rules]

    def group(self, name: str) -> frozenset[str]:
        """Return the ids of the rules of a group, such as "shape"."""
        return frozenset(rule.id for rule in self.rules if rule.group == name)


def kept(verdicts: Iterable[RuleVerdict], ids: frozenset[str] | None = None) -> bool:
    """Return whether all rules are kept, or those with the given ids."""
    return all(verdict.ok for verdict in verdicts if ids is None or verdict.rule_id in ids)


def load_rules(text: str) -> RuleSet:
    """Load a rule set from a TOML text. Raises RulesError with a sentence that states what is wrong and where."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"The rule set is not valid TOML: {error}.") from None
    tables = data.get("rule")
    if not isinstance(tables, list) or not tables:
        raise RulesError("The rule set contains no rules. Begin each with [[rule]].")
    rules = tuple(_rule(number, table) for number, table in enumerate(tables, 1))
    ids = [rule.id for rule in rules]
    for id in ids:
        if ids.count(id) > 1:
            raise RulesError(f"Two rules have the id {id!r}. Give each its own.")
    return RuleSet(str(data.get("name", "")), rules)


def _rule(number: int, table: Any) -> Rule:
    if not isinstance(table, dict):
        raise RulesError(f"Rule {number} is not a table. Begin it with [[rule]].")
    for key in ("id", "title", "kind"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise RulesError(f'Rule {number} has no {key}. Add {key} = "…".')
    unknown = table.keys() - {"id", "title", "kind", "group", "params"}
    if unknown:
        raise RulesError(
            f"Rule {table['id']!r} has an unknown key {min(unknown)!r}. Put parameters under [rule.params]."
        )
    kind = KINDS.get(table["kind"])
    if kind is None:
        raise RulesError(f"Rule {table['id']!r} has an unknown kind {table['kind']!r}. Use one of {', '.join(KINDS)}.")
    params = table.get("params", {})
    return Rule(
        table["id"], table["title"], table["kind"], _check(table["id"], kind, params), table.get("group", ""), params
    )


def _check(id: str, kind: type[RuleKind], params: Any) -> RuleKind:
    """Return the kind with its parameters, each of the type of its default."""
    if not isinstance(params, dict):
        raise RulesError(f"Rule {id!r}: params must be a table.")
    known = {each.name: each for each in fields(kind)}
    for name, value in params.items():
        if name not in known:
            raise RulesError(f"Rule {id!r} has an unknown parameter {name!r}. Allowed: {', '.join(known) or 'none'}.")
        if not _fits(value, known[name].default, known[name].default_factory):
            raise RulesError(f"Rule {id!r}: {name} has a value of the wrong type.")
    build: Callable[..., RuleKind] = kind
    try:
        return build(**{name: tuple(value) if isinstance(value, list) else value for name, value in params.items()})
    except KindError as error:
        raise RulesError(f"Rule {id!r}: {error}") from None


def _fits(value: Any, default: Any, factory: Any) -> bool:
    sample = default if default is not MISSING else factory()
    if isinstance(sample, tuple):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(sample, dict):
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return type(value) is type(sample)


__all__ = ["KINDS", "Fault", "Rule", "RuleSet", "RuleVerdict", "RulesError", "kept", "load_rules"]
