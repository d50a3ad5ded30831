"""Names that columns usually have, and what they hold by these: questions, answers, keys, pictures."""

import re
from collections.abc import Mapping

MESSAGES = ("messages", "interactions", "conversations", "conversation", "dialog", "dialogue", "chat", "turns")
TOOLS = ("tools", "available_tools", "functions")
SYSTEM = ("system", "system_prompt", "systemprompt", "system_message", "sys_prompt")
HISTORY = ("history", "chat_history", "conversation_history", "dialogue_history", "previous_turns")
# In the order in which they stand in a question: the task, what it is about, the question itself, and its choices.
USER = (
    "instruction", "instructions", "task", "prompt", "user", "user_prompt", "user_message", "request",
    "context", "contexts", "passage", "passages", "paragraph", "article", "background", "document", "story", "dialog", "dialogue",
    "input", "inputs", "raw", "question", "query", "problem", "frage", "pregunta", "domanda", "pergunta", "vraag",
    "choices", "options",
)  # fmt: skip
# The likeliest first: of several one is the answer.
ASSISTANT = (
    "completion", "response", "solution", "answer", "answers", "output", "outputs", "assistant", "rewrite", "reply", "target",
    "targets", "summary", "highlights", "headline", "abstract", "model_answer", "assistant_message", "chatgpt_answer",
    "réponse", "reponse", "antwort", "respuesta", "risposta", "resposta", "antwoord",
)  # fmt: skip
CHOSEN = ("chosen", "chosen_response", "response_chosen", "chosen_answer", "preferred_output", "preferred", "accepted")
REJECTED = ("rejected", "rejected_response", "response_rejected", "rejected_answer", "non_preferred_output", "dispreferred", "nonpreferred")  # fmt: skip
PICTURES = ("images", "image", "image_url", "image_urls", "pictures", "picture", "img", "image_path", "image_paths")
TEXT = ("text", "content", "body", "document", "article", "raw")
PROSE = ("text", "content", "body", "source")  # a question where nothing else is and there is an answer
KEY = ("id", "key", "uuid", "uid", "_id", "record_id", "custom_id", "row_id")
GROUP = ("group", "source_group", "group_id", "document_id", "doc_id", "article_id", "source_id")


def plain_name(column: str) -> str:
    """Return the name of a column in small letters, with underscores for blanks, hyphens and inner capital letters."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip())
    return re.sub(r"[\s_-]+", "_", spaced.lower()).rstrip("_:?")


def in_usual_order(roles: Mapping[str, str]) -> dict[str, str]:
    """Return the roles of columns with the parts of a question in the order in which they usually stand.

    Columns with several answers, or with names that are not known, are turns in an order of their own.
    """
    asked = [column for column, role in roles.items() if role == "user"]
    if list(roles.values()).count("assistant") > 1 or not all(plain_name(column) in USER for column in asked):
        return dict(roles)
    coming = iter(sorted(asked, key=lambda column: USER.index(plain_name(column))))
    return {next(coming) if role == "user" else column: role for column, role in roles.items()}
