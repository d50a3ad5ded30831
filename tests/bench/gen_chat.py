"""Chat rows out of nothing: an article, and a rewrite that is half made of it. For measurements, so the same each time.

    python -m tests.bench.gen_chat -n 100000 -o rows.jsonl [--dups 0.05 --related 0.02 --pairs pairs.tsv]

Row i depends on (seed, i) alone, so a short file is the beginning of a long one. `--dups` plants near-duplicates of
earlier rows (exact: case, space and punctuation differ; light: 2% of the words edited; heavy: 8%, and a sentence
dropped), `--related` rows that share a third of their sentences and are no duplicates; `--pairs` lists both.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from tests.bench import chat_words as words

NAMES = 20_000
ARTICLE = (150, 388)  # words
REWRITE_MOST = 298
RELATED_MOST = (388, 290)
POOLS = {
    "N": words.NOUNS, "V": words.VERBS, "J": words.ADJECTIVES, "A": words.ADVERBS, "P": words.PREPOSITIONS,
    "D": words.DETERMINERS, "C": words.CONJUNCTIONS, "O": words.OPENERS,
}  # fmt: skip
FOREIGN = {"fr": words.FRENCH, "de": words.GERMAN}


class Link(NamedTuple):
    """The earlier row that a planted row was made from, and how: exact, light, heavy or related."""

    origin: int
    how: str


class Original(NamedTuple):
    """An article and its rewrite as sentences."""

    article: list[str]
    rewrite: list[str]
    language: str
    source: str


@cache
def names() -> list[str]:
    """Return the long tail of rare words."""
    r = random.Random(99)
    return [
        "".join(r.choice(words.SYLLABLES) for _ in range(r.choice((2, 2, 3, 3, 4)))).capitalize() for _ in range(NAMES)
    ]


def size(sentence: str) -> int:
    """Return the length of a sentence in words."""
    return sentence.count(" ") + 1


def name(r: random.Random) -> str:
    return names()[int(NAMES * r.random() ** 2)]


def sentence(r: random.Random, language: str) -> str:
    picked = english(r) if language == "en" else foreign(r, FOREIGN[language])
    text = " ".join(picked)
    return text[0].upper() + text[1:] + "."


def english(r: random.Random) -> list[str]:
    return [word(r, token) for token in words.PATTERNS[int(r.random() * len(words.PATTERNS))]]


def word(r: random.Random, token: str) -> str:
    if pool := POOLS.get(token):
        return pool[int(len(pool) * r.random() ** 1.7)]
    if token == "X":
        return name(r)
    return str(int(10 ** (1 + 3 * r.random()))) if token == "#" else token


def foreign(r: random.Random, pool: list[str]) -> list[str]:
    # The number of words is drawn before the words.
    count = 8 + int(r.random() * 12)
    return [pool[int(len(pool) * r.random() ** 1.8)] if r.random() > 0.06 else name(r) for _ in range(count)]


def body(r: random.Random, language: str, least: int, most: int) -> list[str]:
    want = least + int(r.random() * (most - least))
    sentences: list[str] = []
    count = 0
    while count < want:
        sentences.append(sentence(r, language))
        count += size(sentences[-1])
    while count > most:
        count -= size(sentences.pop())
    return sentences


def rewrite_of(r: random.Random, article: list[str], language: str) -> list[str]:
    """Return about half of the article's sentences, some cut short, filled up with new ones, in another order."""
    want = 100 + int(r.random() * 188)
    sentences: list[str] = []
    count = 0
    for each in article:
        if r.random() < 0.5:
            kept = each[:-1].split()
            kept = kept[: max(5, int(len(kept) * 0.8))] if r.random() < 0.6 else kept
            sentences.append(" ".join(kept) + ".")
            count += len(kept)
            if count > want - 25:
                break
    while count < want:
        sentences.append(sentence(r, language))
        count += size(sentences[-1])
    while count > REWRITE_MOST:
        count -= size(sentences.pop())
    r.shuffle(sentences)
    sentences[0] = words.SUMMARIES[int(r.random() * 5)] + " " + sentences[0]
    return sentences


def original(seed: int, i: int) -> Original:
    r = random.Random(seed * 1000003 + i)
    language = words.LANGUAGES[int(r.random() * 10)]
    source = words.SOURCES[int(r.random() ** 1.5 * 7)]
    article = body(r, language, *ARTICLE)
    return Original(article, rewrite_of(r, article, language), language, source)


def choice_of(seed: int, i: int) -> random.Random:
    """Return the random generator that decides whether row i is planted, and from which row it is made."""
    return random.Random(seed * 7919 + i * 31 + 5)


def edited(r: random.Random, sentences: list[str], share: float) -> list[str]:
    made = []
    for each in sentences:
        picked = [edited_word(r, one) if r.random() < share else one for one in each.split()]
        made.append(" ".join(one for one in picked if one))
    return [each for each in made if each]


def edited_word(r: random.Random, one: str) -> str:
    x = r.random()
    if x < 0.5:
        return words.NOUNS[int(len(words.NOUNS) * r.random())]
    return "" if x < 0.8 else one + " " + words.ADVERBS[int(len(words.ADVERBS) * r.random())]


def duplicate(q: random.Random, of: Original) -> tuple[list[str], list[str], str]:
    y = q.random()
    if y < 0.25:
        article = [each.upper() if q.random() < 0.1 else each.replace(".", " .") for each in of.article]
        return article, [each + " " for each in of.rewrite], "exact"
    how, share = ("light", 0.02) if y < 0.75 else ("heavy", 0.08)
    article, rewrite = edited(q, of.article, share), edited(q, of.rewrite, share)
    if how == "heavy":
        article.pop(int(q.random() * len(article)))
    return article, rewrite, how


def related(q: random.Random, of: Original, own: Original) -> tuple[list[str], list[str]]:
    article = [each for each in of.article if q.random() < 0.35] + own.article
    rewrite = [each for each in of.rewrite if q.random() < 0.35] + own.rewrite
    return up_to(article, RELATED_MOST[0]), up_to(rewrite, RELATED_MOST[1])


def up_to(sentences: list[str], most: int) -> list[str]:
    count = 0
    for place, each in enumerate(sentences):
        count += size(each)
        if count > most:
            return sentences[:place]
    return sentences


def origin_of(q: random.Random, seed: int, i: int, planted: float) -> int:
    """Return an earlier row that is an original itself."""
    for _ in range(50):
        j = int(q.random() * i)
        if choice_of(seed, j).random() >= planted or j == 0:
            return j
    return 0


def row(seed: int, i: int, dups: float = 0.0, near: float = 0.0) -> tuple[dict[str, Any], Link | None]:
    """Return row i, and what it was made from when it was planted. `dups` and `near` are the shares of both kinds."""
    q = choice_of(seed, i)
    x = q.random()
    if not i or x >= dups + near:
        made = original(seed, i)
        return as_row(i, made.article, made.rewrite, made.language, made.source), None
    j = origin_of(q, seed, i, dups + near)
    of = original(seed, j)
    if x < dups:
        article, rewrite, how = duplicate(q, of)
    else:
        how = "related"
        article, rewrite = related(q, of, original(seed, i))
    return as_row(i, article, rewrite, of.language, "mirror"), Link(j, how)


def as_row(i: int, article: list[str], rewrite: list[str], language: str, source: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": paragraphs(article, 5)},
        {"role": "assistant", "content": paragraphs(rewrite, 4)},
    ]
    return {"messages": messages, "metadata": {"source": source, "lang": language, "n": i}}


def paragraphs(sentences: list[str], length: int) -> str:
    return "\n\n".join(" ".join(sentences[at : at + length]) for at in range(0, len(sentences), length))


def rows(
    count: int, seed: int = 7, dups: float = 0.0, near: float = 0.0
) -> Iterator[tuple[dict[str, Any], Link | None]]:
    return (row(seed, i, dups, near) for i in range(count))


def lines(made: Iterable[tuple[dict[str, Any], Link | None]], pairs: Any = None) -> Iterator[str]:
    """Yield a line of JSON for each row; the planted ones are listed in `pairs`."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for data, link in made:
        if pairs and link:
            pairs.write(f"{link.origin}\t{data['metadata']['n']}\t{link.how}\n")
        yield encode(data) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000, help="rows")
    parser.add_argument(
        "-o", type=argparse.FileType("w", encoding="utf-8"), default=sys.stdout, help="the file to write"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--dups", type=float, default=0.0, help="share of planted near-duplicates")
    parser.add_argument("--related", type=float, default=0.0, help="share of rows that are alike and no duplicates")
    parser.add_argument("--pairs", type=argparse.FileType("w", encoding="utf-8"), help="where to list what was planted")
    options = parser.parse_args()
    options.o.writelines(lines(rows(options.n, options.seed, options.dups, options.related), options.pairs))


if __name__ == "__main__":
    main()
