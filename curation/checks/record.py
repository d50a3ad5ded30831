"""The checks of one record: the rules of its kind, then the problems of its texts."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from curation.chat import Message, Problem, text_of
from curation.checks.conversation import check as check_conversation
from curation.checks.markup import is_about_markup, is_page
from curation.checks.names import known_names, names_of, parts
from curation.checks.pii import KINDS, Finding, find_all
from curation.checks.texts import check_text
from curation.checks.tools import IdRule
from curation.checks.turns import check_turns
from curation.content import Draft

PERSONAL = "pii-"  # what the codes of personal data begin with: pii-email, pii-secret …
MAYBE_PERSONAL = "pii-maybe"  # what only might be some: a suggestion, which masking leaves alone


class Content(Protocol):
    """The content of a record or of a draft."""

    fields: dict[str, Any]
    messages: list[Any]
    tools: list[Any]
    chosen: list[Any]
    rejected: list[Any]


@dataclass(frozen=True)
class CheckLimits:
    """The usual lengths around a record. None is no limit."""

    context: int | None = None  # tokens that the student reads at most
    shortest: int | None = None  # words; see `usual_lengths`
    longest: int | None = None


def check(draft: Draft, *, id_rule: IdRule = "nine") -> list[Problem]:
    """Return all problems of a draft."""
    return check_form(draft, draft.kind, id_rule) + check_texts(draft, draft.kind)


def check_form(content: Content, kind: str, id_rule: IdRule = "nine") -> list[Problem]:
    """Return the problems that keep a record from being trained on. Quick, so an import calls it row by row."""
    if kind == "documents":
        said = any(str(value).strip() for value in content.fields.values())
        return [] if said else [Problem("empty-document", "The document has no text. Write some, or delete it.")]
    if kind == "preferences":
        return _check_preference(content, id_rule)
    return check_conversation(content.messages, content.tools or None, id_rule=id_rule)


def _check_preference(content: Content, id_rule: IdRule) -> list[Problem]:
    """Check each answer as the end of the same conversation; problems of the prompt are reported once."""
    problems: list[Problem] = []
    prompt = {f"message {number}" for number in range(1, len(content.messages) + 1)}
    for name, answer in (("chosen", content.chosen), ("rejected", content.rejected)):
        for problem in check_conversation([*content.messages, *answer], content.tools or None, id_rule=id_rule):
            inside = problem.where.split(",")[0] in prompt
            placed = problem if inside else replace(problem, where=f"{name}, {problem.where}".rstrip(", "))
            if placed not in problems:
                problems.append(placed)
    if content.chosen and content.chosen == content.rejected:
        problems.append(
            Problem("same-answers", "Chosen and rejected are the same, so there is no preference to learn.")
        )
    return problems


def texts_of(content: Content, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of everything in the content that people or models wrote; empty messages are left to `check_form`."""
    if kind == "documents":
        yield from ((name, value) for name, value in content.fields.items() if isinstance(value, str) and value.strip())
        return
    for column, prefix in ((content.messages, ""), (content.chosen, "chosen, "), (content.rejected, "rejected, ")):
        yield from _of_messages(column, prefix)


def _of_messages(messages: list[Message], prefix: str) -> Iterator[tuple[str, str]]:
    for number, message in enumerate(messages, 1):
        if isinstance(message, dict) and (text := text_of(message)).strip():
            yield f"{prefix}message {number}", text


def check_texts(content: Content, kind: str) -> list[Problem]:
    """Return problems worth a look: broken characters, leftovers, repetition, personal data."""
    texts = list(texts_of(content, kind))
    names = [part for name in names_in(content, [text for _, text in texts]) for part in parts(name)]
    # Where another message speaks of HTML, a page is an answer and no leftover.
    asked = kind != "documents" and any(is_about_markup(text) for _, text in texts if not is_page(text))
    problems: list[Problem] = []
    for where, text in texts:
        problems += [each for each in check_text(text, where) if not (asked and each.code == "html")]
        problems += _personal(find_all(text, names), where)
    return problems + check_turns(content, kind)


def names_in(content: Content, texts: list[str]) -> list[str]:
    """Return the names in a record: in fields that hold names, in greetings and under letters."""
    found = names_of(content.fields) if content.fields else []
    return list(dict.fromkeys([*found, *(name for text in texts for name in known_names(text))]))


def _personal(findings: list[Finding], where: str) -> list[Problem]:
    """Return one problem for each kind of personal data.

    It doesn't quote the values: a problem's sentence may be read by more people.
    """
    counts = Counter(finding.kind for finding in findings if finding.sure)
    maybe = Counter(finding.kind for finding in findings if not finding.sure)
    suggestions = [
        Problem(
            MAYBE_PERSONAL,
            f"The text may hold {_several(kind, count)}: its shape alone doesn't decide. Look at it; masking leaves it alone.",
            where,
            severity="warning",
        )
        for kind, count in maybe.items()
    ]
    return suggestions + [
        Problem(
            f"{PERSONAL}{kind.lower()}",
            f"The text holds {count if count > 1 else 'what looks like'} {_several(kind, count)}. Mask or replace {'them' if count > 1 else 'it'}.",
            where,
            fixable=True,
            severity="warning",
        )
        for kind, count in counts.items()
    ]


def _several(kind: str, count: int) -> str:
    word = KINDS[kind]
    if count == 1:
        return f"{'an' if word[0] in 'aeiI' else 'a'} {word}"
    head, blank, rest = word.partition(" (")
    return f"{head}{'es' if head.endswith('ss') else 's'}{blank}{rest}"


def check_size(words: int, tokens: int | None, limits: CheckLimits) -> list[Problem]:
    """Check whether the record is longer than the student reads, or unlike the dataset's others."""
    problems: list[Problem] = []
    if limits.context and tokens and tokens > limits.context:
        text = (
            f"The record has {tokens:,} tokens, and the student reads at most {limits.context:,}. Shorten or split it."
        )
        problems.append(Problem("too-long", text))
    if limits.longest is not None and words > limits.longest:
        text = f"The record has {words:,} words, far more than most in the dataset (seldom over {limits.longest:,})."
        problems.append(Problem("very-long", text, severity="warning"))
    if limits.shortest is not None and words < limits.shortest:
        text = f"The record has {words:,} word{'' if words == 1 else 's'}, far fewer than most in the dataset (seldom under {limits.shortest:,})."
        problems.append(Problem("very-short", text, severity="warning"))
    return problems
