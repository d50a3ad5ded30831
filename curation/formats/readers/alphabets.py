"""Single-byte encodings told apart by the letters that come out: those of which language, how often, in which words.

Frequencies are rough shares of a language's letters beyond ASCII, in running text.
"""

import codecs
import math
import re
from collections import Counter

CONTROLS = re.compile("[\x80-\x9f\ufffd]")
WORD = re.compile(r"[^\W\d_]+")
SAMPLE = 4000  # letters that are looked at
RARE = 1e-5
# What stands in any language: typography first.
SIGNS = {
    **dict.fromkeys("’“”„–—…«»‘", 0.05),
    **dict.fromkeys("€°§©®·•×½¿¡£\xa0", 0.01),
    **dict.fromkeys("±¹²³¼¾µ¢¥™†‡‰‹›´¨¯¸", 0.0005),
}
LATIN = {
    "en": "£40 é30 ï4 ö4 ü4 ñ4 á4 ç3 è3 í2 ä2",
    "fr": "é50 è11 à13 ê6 ç3 ù1 â2 î2 ô2 û2 ï1 ë1 œ1",
    "de": "ä28 ü33 ö17 ß16",
    "es": "ó28 á18 í22 é14 ñ8 ú6 ü1",
    "pt": "ã23 ç14 á13 é14 í9 ó8 ê7 õ6 ú3 â3 à3 ô2",
    "it": "è38 à28 ù10 ò14 é8 ì8",
    "sv": "ä38 å30 ö30 é1",
    "da": "ø35 å35 æ28 é1",
    "is": "á13 ð24 í12 ó8 ú5 ý2 þ12 æ8 ö10 é5",
    "pl": "ł26 ą15 ę16 ó12 ś10 ż12 ć6 ń3 ź1",
    "cs": "í22 á16 é9 ě11 ř9 č8 ž8 š7 ý8 ů5 ú1 ť1 ď1 ň1 ó1",
    "sk": "á19 í12 é9 ú9 ž9 č9 ý10 š8 ľ4 ť5 ô2 ň2 ä2 ó1 ď1 ĺ1 ŕ1",
    "hu": "á28 é29 ö9 ő9 ó8 ü5 í5 ú3 ű3",
    "ro": "ă37 î20 ş13 ţ14 â9 ș1 ț1",
    "hr": "č26 š24 ž16 ć16 đ8",
    "tr": "ı33 ğ9 ş15 ü16 ö7 ç9 İ3 â1",
    "lt": "ė24 ų18 į8 ž12 š18 č6 ū8 ą9 ę3",
    "lv": "ā36 ī18 ē18 š9 ū7 ņ5 ļ4 ž3 č1 ķ2 ģ1",
    "et": "ä32 õ26 ü20 ö8 š1 ž1",
}
OTHERS = {
    "ru": "о110 е85 а80 и74 н67 т63 с55 р47 в45 л44 к35 м32 д30 п28 у26 я20 ы19 ь17 г17 з17 б16 ч14 й12 х10 ж9 ш7 ю6 ц5 щ4 э3 ф3 ъ1 ё2",
    "uk": "о94 а83 и61 і57 н65 т55 в52 е50 р47 с41 л38 к37 у33 д31 м30 п28 з22 я22 ь17 б17 г16 ч14 й12 х12 ц9 ж8 ї7 ю8 ш7 є5 щ4 ф3 ґ1",
    "bg": "а118 и90 о85 е80 т78 н72 р50 с48 в45 л35 к34 д32 п28 м25 з21 я20 г17 ъ16 у15 б13 ч13 й7 ж7 ц8 щ6 х6 ш3 ф3 ю2 ь1",
    "el": "α110 ο90 ι80 τ80 ε75 ν65 σ55 ρ45 η45 κ40 π40 ς40 υ40 λ30 μ33 ί30 ό28 ά28 έ25 ω20 ή20 δ17 γ17 χ12 θ11 ύ12 ώ9 φ8 β7 ξ4 ζ3 ψ2 ϊ1 Ά1 Έ1",
    "he": "י110 ו105 ה90 ל75 א65 ר60 ת55 ב50 מ50 ש48 נ40 ע35 ם32 ד28 ק23 ח24 פ18 כ24 ט13 ג13 ז9 ס16 ן12 צ10 ך8 ף2 ץ2",
    "ar": "ا130 ل120 ي75 م65 و60 ن60 ر50 ت48 ب45 ة38 ع35 د33 س30 ف30 ه30 ك28 ق25 أ22 ح22 ج15 ش13 ص12 ط10 خ10 ى9 إ8 ض7 ذ6 ث6 ء4 ز6 غ5 ئ3 ظ3 آ2 ؤ2 ،9",
}  # fmt: skip
# Words of ASCII letters, or of letters that all these encodings share.
WORDS = {
    "en": "the and of to in is it that for with or at be this was on are not",
    "fr": "de la le et les des un une que qui dans pour pas est sur avec il je vous nous", "de": "der die und das ist nicht ein eine zu den mit von auf wir sie ich es im",
    "es": "de la que el en los se un por con las una para no es su lo", "pt": "de que o a do da em um para com uma os no se na por mais as dos como mas",
    "it": "di che il la e per un in non una sono del con si le dei da", "sv": "och det att som en den av till med inte jag vi ett om", "da": "og det at en den til er som med de ikke der jeg vi et",
    "is": "og er ekki sem um til en hann hans var", "pl": "i w nie na z do to jest o jak po za od co jego czy dla", "cs": "a v se na je to s z do o ve jsem ale jako by pro od",
    "sk": "a v sa na je to s z do o ako som ale by pre od bol", "hu": "a az egy nem is hogy de van meg csak ez ha volt ki mint el", "ro": "de la a pe cu nu un din este care o mai ce pentru sau",
    "hr": "i u je na se da za su od s ne to kao ali o", "tr": "bir ve bu de da ile bana ben o ne var daha gibi", "lt": "ir yra kad su tai kaip iki ar ne jis bet", "lv": "un ir ka ar no uz par to bet es kas", "et": "ja on ei et see ta oli kui ka aga mis",
}  # fmt: skip
ENCODINGS: dict[str, tuple[tuple[str, ...], float]] = {  # languages, and what speaks against each encoding at first
    "cp1252": (("en", "fr", "de", "es", "pt", "it", "sv", "da", "is", "et"), 0.0),
    "cp1250": (("pl", "cs", "sk", "hu", "ro", "hr", "de"), 0.1),
    "iso8859_2": (("pl", "cs", "sk", "hu", "ro", "hr"), 0.15),
    "cp1254": (("tr",), 0.1),
    "cp1257": (("lt", "lv", "et"), 0.1),
    "cp1251": (("ru", "uk", "bg"), 0.1),
    "koi8_r": (("ru", "bg"), 0.1),
    "koi8_u": (("uk",), 0.1),
    "cp866": (("ru", "bg"), 0.3),
    "cp1253": (("el",), 0.1),
    "cp1255": (("he",), 0.1),
    "cp1256": (("ar",), 0.1),
    "mac_roman": (("fr", "de", "es", "pt", "it", "sv", "da"), 2.5),
    "cp437": (("fr", "de", "es", "it", "sv"), 2.5),
}
UNUSUAL = {"is": 0.7}  # languages that few files are in
COMMON_HAN = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手"
    "十用主行方又如前所本见经头面公同三己老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工已话儿者向情部正名定女问力机给等几很业最间新什打"
    "便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九性通目华报立马命活难神数件安表原车白"
    "应路期常提感金何更反合放做系计或利受光果亲界及今京务制解各任至清物台象记边共风接它许特觉望直服林题建南度统色字请交爱让认算论百吃谢准晚冷火钟"
    "這來國個說們為時會過學對裡後麼沒於還發當無開見經頭從動兩長樣現將與進實點種聲話兒問機給幾業間電門東氣關並內產萬體別處總場師書員華報馬難數應車親務記邊風許覺"
    "題統請愛讓認論謝準鐘"
)
KANA = re.compile("[\u3041-\u30fa\u30fc]")
HANGUL = re.compile("[\uac00-\ud7a3]")
EAST = {"shift_jis": KANA, "euc_jp": KANA, "gb18030": None, "big5": None, "euc_kr": HANGUL}


def _shares(table: str) -> dict[str, float]:
    counts = {entry[0]: int(entry[1:]) for entry in table.split()}
    whole = sum(counts.values())
    return {letter: count / whole for letter, count in counts.items()}


SHARES = {language: _shares(table) for language, table in (LATIN | OTHERS).items()}
WORDS_OF = {language: frozenset(words.split()) for language, words in WORDS.items()}


def best_alphabet(sample: bytes) -> str:
    """Return the single-byte encoding whose letters are likeliest, by the mean of the logarithms."""
    ascii_words = Counter(
        word.lower() for word in WORD.findall(re.sub(rb"[\w]*[\x80-\xff]+\w*", b" ", sample).decode("ascii", "ignore"))
    )
    most = max(sum(ascii_words.values()), 1)
    rates = {language: sum(ascii_words[word] for word in words) / most for language, words in WORDS_OF.items()}
    found = ("cp1252", -math.inf)
    for encoding, (languages, against) in ENCODINGS.items():
        text = sample.decode(encoding, "replace")
        letters = _letters(text)
        for language in languages:
            likely = (
                _likelihood(letters, SHARES[language])
                + 2 * rates.get(language, 0.0)
                - against
                - UNUSUAL.get(language, 0.0)
            )
            if likely > found[1] + 1e-9:
                found = (encoding, likely)
    return found[0]


def east_asian(sample: bytes) -> str:
    """Return the encoding of Japanese, Korean or Chinese text; nothing for any other.

    It decodes without a fault, but for a cut end, into what such texts are full of: kana, hangul, common characters.
    """
    for encoding, script in EAST.items():
        try:
            text = codecs.getincrementaldecoder(encoding)("strict").decode(sample)
        except UnicodeDecodeError:
            continue
        signs = [sign for sign in text if sign > "\x7f" and sign.isalpha()]
        usual = [sign for sign in signs if (script.match(sign) if script else sign in COMMON_HAN)]
        if signs and len(usual) >= 0.4 * len(signs):
            return encoding
    return ""


def _letters(text: str) -> Counter[tuple[str, bool]]:
    """Count the characters beyond ASCII, and whether each is a capital after a small letter."""
    return Counter((text[at], text[at].isupper() and text[at - 1 : at].islower()) for at in _places(text))


def _places(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"[^\x00-\x7f]", text)][:SAMPLE]


def _likelihood(letters: Counter[tuple[str, bool]], shares: dict[str, float]) -> float:
    whole = score = 0.0
    for (letter, is_odd), count in letters.items():
        share = shares.get(letter) or 0.08 * shares.get(letter.lower(), 0.0) or SIGNS.get(letter) or RARE
        share = RARE / 10 if CONTROLS.match(letter) else share
        score += count * math.log(share * (0.02 if is_odd else 1))
        whole += count
    return score / max(whole, 1)
