"""Kinds of rules about the shape of a text: its headline, its body, the length of its sentences."""

import re
from dataclasses import dataclass

from curation.scoring.kinds import Fault
from curation.scoring.prose import Prose, cut, words

# Small words stay small in title case too, so they prove nothing.
SMALL = words("""a an the of to in on at by for from with and or as over into up off per via vs but nor""")
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


@dataclass(frozen=True)
class Headline:
    """Checks the headline: at most `max_words` words, sentence case, no full stop; then one empty line, then the body."""

    max_words: int = 8
    sentence_case: bool = True
    no_final_stop: bool = True
    empty_line: bool = True

    def fault(self, prose: Prose) -> Fault | None:
        line = prose.headline
        if not prose.body:
            return Fault("There is no headline above the body, because the text is one block.", cut(line))
        if self.empty_line and (len(prose.lines) < 3 or prose.lines[1] or not prose.lines[2]):
            return Fault("The headline must be followed by exactly one empty line.", cut(" / ".join(prose.lines[:3])))
        count = len(line.split())
        if count > self.max_words:
            return Fault(f"The headline has {count} words; at most {self.max_words} are allowed.", line)
        if self.no_final_stop and line.endswith("."):
            return Fault("The headline ends with a full stop.", line)
        return self._case_fault(prose) if self.sentence_case else None

    def _case_fault(self, prose: Prose) -> Fault | None:
        line = prose.headline
        first = re.search(r"\w", line)
        if first and first[0].islower():
            return Fault("The headline does not begin with a capital letter.", line)
        rest = [word for word in WORD.findall(line)[1:] if word.lower() not in SMALL]
        if len(rest) > 1 and all(word[0].isupper() for word in rest):
            return Fault("The headline is in title case; sentence case is required.", line)
        for word in rest:
            # A word that the body writes small is no name.
            if word[0].isupper() and not word.isupper() and _only_small(word, prose.body):
                return Fault(f"{word!r} isn't a name, but is capitalised in the headline.", line)
        return None


def _only_small(word: str, body: str) -> bool:
    return bool(re.search(rf"\b{re.escape(word.lower())}\b", body)) and not re.search(rf"\b{re.escape(word)}\b", body)


@dataclass(frozen=True)
class BodySentences:
    """Checks that the body has from `min` to `max` sentences, in one paragraph."""

    min: int = 2
    max: int = 3
    one_paragraph: bool = True

    def fault(self, prose: Prose) -> Fault | None:
        if not prose.body:
            return Fault("There is no body below the headline.", cut(prose.text))
        if self.one_paragraph and "\n" in prose.body:
            return Fault("The body has more than one paragraph.", cut(prose.body))
        count = len(prose.sentences)
        if not self.min <= count <= self.max:
            word = "sentence" if count == 1 else "sentences"
            return Fault(f"The body has {count} {word}; {self.min} to {self.max} are required.", cut(prose.body))
        return None


@dataclass(frozen=True)
class SentenceWords:
    """Checks that no sentence has more than `max` words, counted by spaces."""

    max: int = 24

    def fault(self, prose: Prose) -> Fault | None:
        for sentence in prose.all_sentences:
            count = len(sentence.split())
            if count > self.max:
                return Fault(f"A sentence has {count} words; at most {self.max} are allowed.", cut(sentence))
        return None
