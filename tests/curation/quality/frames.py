"""A labelled set of near-duplicates: sets of texts that share a frame and are none, and planted pairs that are.

Everything is made from lists of our own by a seeded generator, so it is the same each time. A text stands for all of a
record that is compared: question and answer in one.
"""

import random
from collections.abc import Callable


def listed(text: str, mark: str | None = None) -> list[str]:
    """Return the words of a text, which is easier to read than a list of strings."""
    return text.split(mark)


CAPITALS = """France Paris, Spain Madrid, Italy Rome, Norway Oslo, Chile Santiago, Kenya Nairobi, Peru Lima, Japan Tokyo,
Cuba Havana, Egypt Cairo, Ghana Accra, Iran Tehran, Iraq Baghdad, Laos Vientiane, Mali Bamako, Nepal Kathmandu,
Oman Muscat, Qatar Doha, Syria Damascus, Togo Lome, Niger Niamey, Nigeria Abuja, Austria Vienna, Australia Canberra,
Slovakia Bratislava, Slovenia Ljubljana, Guinea Conakry, Guyana Georgetown, Zambia Lusaka, Gambia Banjul"""
WORDS = listed("""harbour lantern orchard pebble saddle thimble violin walnut anchor basket candle drawer engine feather garden
hammer island jacket kettle ladder mirror needle oyster pillow quarry ribbon shovel teapot umbrella valley window yarn
barrel copper dolphin ember falcon glacier hazel ivory juniper kiosk lemon marble nectar otter parsley quilt raven
saffron tulip urchin velvet wicker yeast zipper almond beacon cactus dagger easel flannel goblet hinge inlet jigsaw
kernel locket mitten nutmeg opal pigeon quiver rudder sickle trowel upland vessel willow acorn bucket clover donkey
elbow fiddle gravel heron insect jungle kitten lizard meadow noodle onion puddle radish sparrow turnip vulture wagon""")
VERBS = listed(
    "moved lifted found painted carried opened buried weighed traded cleaned hid counted broke mended drew sold"
)
JOINERS = listed("while because although before after until whenever unless")
NAMES = listed("""Ada Bruno Clara Dmitri Elif Farid Greta Hugo Ines Jonas Katya Liam Mira Nils Olga Pablo Quinn Rosa Sven Tara
Umar Vera Willem Xenia Yusuf Zofia""")
COLOURS = listed("red green blue black white yellow grey brown")
STUFF = listed("cotton wool leather steel oak glass linen bamboo")
MONTHS = listed("January February March April May June July August September October November December")
TOWNS = listed("Fennick Tarn Quillport Marlow Ostby Grenholm Velden Harrow Pinwell Castor")

Texts = list[str]


def sentence(r: random.Random, words: int = 9) -> str:
    """Return a sentence of about so many words that tells something of its own."""
    told = []
    while len(told) < words:
        told += [r.choice(NAMES), r.choice(VERBS), "the", r.choice(COLOURS + STUFF), r.choice(WORDS)]
        told += [r.choice(JOINERS)] if len(told) < words else []
    return " ".join(told[: max(5, words)]) + "."


def prose(r: random.Random, sentences: int) -> str:
    return " ".join(sentence(r, r.randint(6, 14)) for _ in range(sentences))


# --- frames: none of the texts of a set is a near-duplicate of another ----------------------------


def capitals(_: random.Random) -> Texts:
    pairs = [each.split() for each in CAPITALS.replace("\n", " ").split(",")]
    return [f"What is the capital of {country}?\n{town}." for country, town in pairs]


def translations(r: random.Random) -> Texts:
    return [f"Translate “{word}” into Velish.\n{word[::-1]}" for word in r.sample(WORDS, 40)]


def sums(r: random.Random) -> Texts:
    pairs = r.sample([(a, b) for a in range(11, 99) for b in range(11, 99) if a < b], 40)
    return [f"What is {a} plus {b}?\n{a + b}" for a, b in pairs]


def opposites(r: random.Random) -> Texts:
    firsts = r.sample(WORDS, 60)
    return [
        f"Name one word that rhymes with {a}.\nOne word is {b}." for a, b in zip(firsts[:30], firsts[30:], strict=True)
    ]


def classified(r: random.Random) -> Texts:
    return [
        f"Classify the sentiment of this review as positive or negative:\n{sentence(r, r.randint(5, 12))}\n"
        f"{r.choice(('positive', 'negative'))}"
        for _ in range(60)
    ]


def intents(r: random.Random) -> Texts:
    names = listed("refund delivery account complaint praise")
    return [
        f"You sort messages of customers. Answer with one of {', '.join(names)}.\nMessage: {sentence(r, 7)}\n{r.choice(names)}"
        for _ in range(60)
    ]


def products(r: random.Random) -> Texts:
    made = []
    for word in r.sample(WORDS, 50):
        name = f"{r.choice(TOWNS)} {word.capitalize()} {r.randint(100, 999)}"
        made.append(
            f"Write a product description for the {name}.\nMeet the {name}, made of {r.choice(COLOURS)} {r.choice(STUFF)}. "
            f"It weighs {r.randint(2, 90)} kg, measures {r.randint(10, 200)} cm and costs {r.randint(5, 900)} euros. "
            "Free delivery and returns within thirty days. Our team answers every question by mail or by phone."
        )
    return made


def long_products(r: random.Random) -> Texts:
    terms = (
        "All of our goods are checked by hand before they leave the house. Delivery is free within the country and takes "
        "two to four working days. You can return anything within thirty days, as long as it was not used. We repair what "
        "breaks within two years and keep spare parts for ten. Our shop is open from Monday to Friday, and on Saturday "
        "mornings. Write to us, or call, and somebody who knows the workshop will answer. Thank you for buying from a small house."
    )
    return [
        f"The {r.choice(TOWNS)} {word} in {r.choice(COLOURS)} {r.choice(STUFF)} was drawn by {r.choice(NAMES)} "
        f"{r.choice(WORDS)} and holds {r.randint(2, 900)} litres. Its number is {r.randint(10_000, 99_999)}. {terms}"
        for word in r.sample(WORDS, 40)
    ]


def filled_forms(r: random.Random) -> Texts:
    return [
        f"Name: {r.choice(NAMES)} {r.choice(WORDS).capitalize()}\nBorn: {r.randint(1, 28)} {r.choice(MONTHS)} {r.randint(1940, 2005)}\n"
        f"Town: {r.choice(TOWNS)}\nSmoker: {r.choice(('yes', 'no'))}\nMarried: {r.choice(('yes', 'no'))}\n"
        f"Profession: {r.choice(WORDS)} {r.choice(('maker', 'seller', 'carrier'))}\nReference: {r.randint(1000, 9999)}"
        for _ in range(50)
    ]


def reports(r: random.Random) -> Texts:
    days = r.sample([(day, month) for day in range(1, 29) for month in MONTHS], 50)
    return [
        f"Report of {day} {month} 2025 for the {r.choice(TOWNS)} plant. The night shift made {r.randint(200, 999)} units, "
        f"of which {r.randint(1, 60)} were faulty. The highest temperature was {r.randint(31, 89)} degrees at "
        f"{r.randint(0, 23):02}:{r.randint(10, 59)}. {r.choice(NAMES)} was on duty. No accident was reported, and all gates were closed."
        for day, month in days
    ]


def letters(r: random.Random) -> Texts:
    return [
        f"Dear {r.choice(NAMES)} {r.choice(WORDS).capitalize()}, thank you for your order number {r.randint(10_000, 99_999)} of "
        f"{r.randint(1, 28)} {r.choice(MONTHS)}. Your {r.choice(COLOURS)} {r.choice(WORDS)} will arrive in {r.choice(TOWNS)} within "
        "three days. If you have a question, please write to us at any time. Yours sincerely, the team of the shop."
        for _ in range(50)
    ]


def code_tasks(r: random.Random) -> Texts:
    firsts = r.sample(WORDS, 40)
    return [
        f"Write a function in Python that returns the {word} of a list.\ndef {word}(values):\n    return find(values, '{r.choice(WORDS)}')"
        for word in firsts
    ]


def japanese(_: random.Random) -> Texts:
    pairs = listed(
        "日本 東京,中国 北京,韓国 平壌,泰国 曼谷,越南 河内,法国 巴黎,英国 倫敦,徳国 柏林,意国 羅馬,希臘 雅典,埃及 開羅,古巴 夏湾",
        ",",
    )
    return [f"{country}の首都はどこですか。\n{town}です。" for country, town in (pair.split() for pair in pairs)]


FRAMES: dict[str, Callable[[random.Random], Texts]] = {
    made.__name__: made
    for made in (
        capitals, translations, sums, opposites, classified, intents, products, long_products, filled_forms, reports,
        letters, code_tasks, japanese,
    )
}  # fmt: skip

# --- planted pairs: what was done to a text ------------------------------------------------------


def typo(r: random.Random, text: str) -> str:
    """Swap, double, drop or replace one letter within a longer word."""
    words = text.split(" ")
    place = r.choice([at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()] or [0])
    word = words[place]
    at = r.randint(1, max(1, len(word) - 3))
    words[place] = r.choice(
        (
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + "x" + word[at + 1 :],
        )
    )
    return " ".join(words)


def typos(r: random.Random, text: str) -> str:
    for _ in range(1 + len(text.split()) // 25):
        text = typo(r, text)
    return text


def edited(r: random.Random, text: str) -> str:
    """Replace a word in twenty-five, one at least, by another."""
    words = text.split(" ")
    for _ in range(max(1, len(words) // 25)):
        place = r.randrange(len(words))
        words[place] = r.choice(WORDS) + ("." if words[place].endswith(".") else "")
    return " ".join(words)


def recased(r: random.Random, text: str) -> str:
    return r.choice((text.upper(), text.lower(), text.title()))


def repunctuated(r: random.Random, text: str) -> str:
    return text.replace(".", r.choice(("!", " …", ";"))).replace(" the ", " — the ").replace(" ", "  ")


def reordered(r: random.Random, text: str) -> str:
    """Put the sentences into another order."""
    parts = [part for part in text.replace("\n", " ").split(". ") if part]
    first = parts.pop(r.randrange(len(parts) - 1)) if len(parts) > 1 else parts.pop()
    return ". ".join([part.rstrip(".") for part in [*parts, first]]) + "."


def extended(r: random.Random, text: str) -> str:
    added = sentence(r, 6)
    return f"{text} {added}" if r.random() < 0.5 else f"{added} {text}"


def shortened(r: random.Random, text: str) -> str:
    """Leave a word out, of a long text a word in twenty."""
    words = text.split(" ")
    for _ in range(max(1, len(words) // 20)):
        words.pop(r.randrange(len(words)))
    return " ".join(words)


CHANGES: dict[str, Callable[[random.Random, str], str]] = {
    done.__name__: done for done in (typos, edited, recased, repunctuated, reordered, extended, shortened)
}


def tiny(r: random.Random) -> str:
    return f"{sentence(r, r.randint(5, 8))}\n{r.choice(WORDS).capitalize()}."


def short(r: random.Random) -> str:
    return " ".join(sentence(r, r.randint(5, 9)) for _ in range(2))


def middling(r: random.Random) -> str:
    return prose(r, 5)


def long(r: random.Random) -> str:
    return prose(r, 25)


LENGTHS: dict[str, Callable[[random.Random], str]] = {made.__name__: made for made in (tiny, short, middling, long)}


def planted(seed: int, of_each: int = 12) -> tuple[Texts, dict[tuple[int, int], str]]:
    """Return texts, and the pairs of places in them that are near-duplicates with how: length, then change."""
    r, texts, pairs = random.Random(seed), [], {}
    for length, make in LENGTHS.items():
        for how, change in CHANGES.items():
            for _ in range(of_each):
                text = make(r)
                pairs[len(texts), len(texts) + 1] = f"{length} {how}"
                texts += [text, change(r, text)]
    return texts, pairs


def planted_in_frame(seed: int, name: str, every: int = 5) -> tuple[Texts, dict[tuple[int, int], str]]:
    """Return the texts of a frame with copies of some that differ in case, marks, a typo or a sentence; and those pairs."""
    r = random.Random(seed)
    texts, pairs = FRAMES[name](r), {}
    for place in range(0, len(texts), every):
        how = r.choice(["typos", "recased", "repunctuated", "extended"])
        pairs[place, len(texts)] = f"{name} {how}"
        texts.append(CHANGES[how](r, texts[place]))
    return texts, pairs


def copies(seed: int, texts: int, of_each: int) -> Texts:
    """Return so many texts with further copies of each, in which a word or two were replaced or left out."""
    r = random.Random(seed)
    made = []
    for _ in range(texts):
        text = prose(r, 6)
        made += [text, *(r.choice((edited, shortened))(r, text) for _ in range(of_each))]
    return made
