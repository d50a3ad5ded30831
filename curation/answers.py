"""What an answer of a model is worth: whole or half, a refusal, or nothing that can be seen."""

import re
import unicodedata

WHOLE = "stop"
CALLED = ("tool_calls", "function_call")  # whole where calls of tools came
HALVES = {
    "": "The endpoint did not say that the answer is complete.",
    "length": "The answer was cut off at its limit of tokens.",
    "max_tokens": "The answer was cut off at its limit of tokens.",
    "model_length": "The answer was cut off where the model's context ends.",
    "content_filter": "The answer was stopped by the endpoint's content filter.",
    "error": "The answer ended with an error of the endpoint.",
    "abort": "The answer was aborted by the endpoint.",
    "tool_calls": "The endpoint says that a tool was called, but the reply contains no call.",
    "function_call": "The endpoint says that a tool was called, but the reply contains no call.",
}
# Letters and marks that fonts draw as nothing, and the sign for what could not be stored.
_UNSEEN = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\ufffd") | {chr(code) for code in range(0xFE00, 0xFE10)}
_READ = 400  # characters: a refusal begins with itself

_CANNOT = (
    r"(?:can't|cannot|can\ not|won't|will\ not|am\ unable\ to|'m\ unable\ to|am\ not\ able\ to|'m\ not\ able\ to|"
    r"must\ decline|have\ to\ decline|must\ refuse)"
)
_DONE = (
    r"(?:help|assist|comply|fulfil|fulfill|provide|answer|create|write|generate|produce|continue|engage|discuss|support|"
    r"participate|share|offer|give|do\ that|do\ this|to|with|this|that|your)\b"
)
_REFUSALS = re.compile(
    rf"""^\W*(?:
      (?:(?:i'm|i\ am|we're|we\ are)\ (?:\w+\ )?(?:sorry|afraid)|sorry|apologies|my\ apologies|i\ apologi[sz]e|unfortunately)
          [,.!;:\ —–-]*(?:but\ |that\ )*(?:as\ an?\ [\w\ ]{{2,40}},?\ )?i\ ?{_CANNOT}\ ?(?:{_DONE}|$|[.,])
    | (?:as\ an?\ (?:ai|artificial\ intelligence|large\ language\ model|language\ model)[\w\ ]*,?\ )i\ ?{_CANNOT}
    | i\ ?{_CANNOT}\ {_DONE}.{{0,60}}\b(?:request|that|this|it|content|topic|question|information|advice)\b
    | i\ ?(?:must|have\ to|'ll\ have\ to|am\ going\ to\ have\ to)\ (?:respectfully\ |politely\ )?(?:decline|refuse)
    | (?:es\ tut\ mir\ leid|tut\ mir\ leid|entschuldigung|leider)[,.\ ]+(?:aber\ )?(?:ich\ kann|kann\ ich)\ .{{0,60}}\bnicht\b
    | (?:je\ suis\ )?(?:désolée?)[,.\ ]+(?:mais\ )?je\ ne\ peux\ pas
    | lo\ (?:siento|lamento)[,.\ ]+(?:pero\ )?no\ puedo
    | mi\ dispiace[,.\ ]+(?:ma\ )?non\ posso
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def half_reason(finish_reason: str, has_calls: bool = False) -> str:
    """Return a sentence that states why an answer that ended so isn't whole; empty for a whole one."""
    if finish_reason == WHOLE or (has_calls and finish_reason in CALLED):
        return ""
    return HALVES.get(
        finish_reason, f"The answer ended for an unknown reason (“{finish_reason[:40]}”), so it may be incomplete."
    )


def is_blank(text: str) -> bool:
    """Return whether nothing of a text can be seen: white space, zero-width and control characters alone."""
    return all(char.isspace() or char in _UNSEEN or unicodedata.category(char) in ("Cf", "Cc") for char in text)


def sounds_like_refusal(text: str) -> bool:
    """Return whether a text begins as models refuse: "I'm sorry, but I can't help with that."."""
    begin = " ".join(text[:_READ].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    return _REFUSALS.match(begin) is not None
