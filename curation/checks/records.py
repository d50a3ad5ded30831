"""All checks of one record, run when it comes in and whenever it changes."""

from curation.chat import Message, Problem, text_of
from curation.checks.conversation import check as check_conversation
from curation.checks.texts import check_text
from curation.checks.tools import IdRule
from curation.formats.drafts import Draft


def check(draft: Draft, *, id_rule: IdRule = "nine") -> list[Problem]:
    """Everything that is wrong with a draft: the rules of conversations, then what its texts show."""
    if draft.kind == "documents":
        return _check_fields(draft)
    if draft.kind == "preferences":
        return _check_preference(draft, id_rule)
    return check_conversation(draft.messages, draft.tools or None, id_rule=id_rule) + _check_texts(draft.messages)


def _check_fields(draft: Draft) -> list[Problem]:
    texts = {name: value for name, value in draft.fields.items() if isinstance(value, str)}
    problems = [problem for name, value in texts.items() if value.strip() for problem in check_text(value, name)]
    if not any(value.strip() for value in texts.values()):
        problems.append(Problem("blank-text", "The document has no text: write some, or delete it."))
    return problems


def _check_preference(draft: Draft, id_rule: IdRule) -> list[Problem]:
    """Each answer ends the same conversation; what is wrong before them is said once."""
    problems: list[Problem] = []
    for answer in (draft.chosen, draft.rejected):
        found = check_conversation([*draft.messages, *answer], draft.tools or None, id_rule=id_rule)
        problems += [problem for problem in found if problem not in problems]
        problems += _check_texts(answer)
    if draft.chosen == draft.rejected:
        problems.append(
            Problem("same-answers", "The better and the worse answer are the same: there is nothing to learn.")
        )
    return problems + _check_texts(draft.messages)


def _check_texts(messages: list[Message]) -> list[Problem]:
    """Empty messages are the conversation rules' matter."""
    problems: list[Problem] = []
    for number, message in enumerate(messages, 1):
        if isinstance(message, dict) and (text := text_of(message)).strip():
            problems += check_text(text, f"message {number}")
    return problems
