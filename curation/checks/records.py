"""All checks of one record: the rules of its kind, then what its texts show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from curation.chat import Message, Problem, text_of
from curation.checks.conversation import check as check_conversation
from curation.checks.names import known_names, names_of, parts
from curation.checks.pii import KINDS, Finding, find
from curation.checks.texts import check_text
from curation.checks.tools import IdRule
from curation.formats.drafts import Draft

PERSONAL = "pii-"  # what the codes of personal data begin with: pii-email, pii-secret …


class Content(Protocol):
    """A record, or the draft of one."""

    fields: dict[str, Any]
    messages: list[Any]
    tools: list[Any]
    chosen: list[Any]
    rejected: list[Any]


@dataclass(frozen=True)
class Limits:
    """What is usual around a record. None is no limit."""

    context: int | None = None  # tokens that the student reads at most
    shortest: int | None = None  # words; see `usual_lengths`
    longest: int | None = None


def check(draft: Draft, *, id_rule: IdRule = "nine") -> list[Problem]:
    """Everything that is wrong with a draft."""
    return check_form(draft, draft.kind, id_rule) + check_texts(draft, draft.kind)


def check_form(content: Content, kind: str, id_rule: IdRule = "nine") -> list[Problem]:
    """What keeps it from being learned from. Quick, so an import asks for it row by row."""
    if kind == "documents":
        said = any(str(value).strip() for value in content.fields.values())
        return [] if said else [Problem("empty-document", "The document has no text: write some, or delete it.")]
    if kind == "preferences":
        return _check_preference(content, id_rule)
    return check_conversation(content.messages, content.tools or None, id_rule=id_rule)


def _check_preference(content: Content, id_rule: IdRule) -> list[Problem]:
    """Each answer is checked as the end of the same conversation; what is wrong with the prompt is said once."""
    found: list[Problem] = []
    prompt = {f"message {number}" for number in range(1, len(content.messages) + 1)}
    for name, answer in (("chosen", content.chosen), ("rejected", content.rejected)):
        for problem in check_conversation([*content.messages, *answer], content.tools or None, id_rule=id_rule):
            inside = problem.where.split(",")[0] in prompt
            placed = problem if inside else replace(problem, where=f"{name}, {problem.where}".rstrip(", "))
            if placed not in found:
                found.append(placed)
    if content.chosen and content.chosen == content.rejected:
        found.append(Problem("same-answers", "Chosen and rejected are the same: there is no preference to learn."))
    return found


def texts_of(content: Content, kind: str) -> Iterator[tuple[str, str]]:
    """(where, text) of everything in it that people or models wrote; empty messages are the matter of `check_form`."""
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
    """What is worth a look: broken characters, leftovers, repetition, personal data."""
    texts = list(texts_of(content, kind))
    names = [part for name in names_in(content, [text for _, text in texts]) for part in parts(name)]
    problems: list[Problem] = []
    for where, text in texts:
        problems += check_text(text, where)
        problems += _personal(find(text, names), where)
    return problems


def names_in(content: Content, texts: list[str]) -> list[str]:
    """The names that a record tells: in fields that hold names, in greetings and under letters."""
    found = names_of(content.fields) if content.fields else []
    return list(dict.fromkeys([*found, *(name for text in texts for name in known_names(text))]))


def _personal(findings: list[Finding], where: str) -> list[Problem]:
    """One problem for each kind. The values stay where they are: a problem's sentence may be read by more people."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
    return [
        Problem(
            f"{PERSONAL}{kind.lower()}",
            f"It holds {count if count > 1 else 'what looks like'} {_several(kind, count)}: mask or replace.",
            where,
            mendable=True,
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


def check_size(words: int, tokens: int | None, limits: Limits) -> list[Problem]:
    """Whether the record is longer than the student reads, or unlike the dataset's others."""
    found: list[Problem] = []
    if limits.context and tokens and tokens > limits.context:
        text = f"It has {tokens:,} tokens, and the student reads at most {limits.context:,}: shorten or split it."
        found.append(Problem("too-long", text))
    if limits.longest is not None and words > limits.longest:
        text = f"It has {words:,} words, far more than the dataset's others (seldom over {limits.longest:,})."
        found.append(Problem("very-long", text, severity="warning"))
    if limits.shortest is not None and words < limits.shortest:
        text = f"It has {words:,} word{'' if words == 1 else 's'}, far fewer than the dataset's others (seldom under {limits.shortest:,})."
        found.append(Problem("very-short", text, severity="warning"))
    return found
