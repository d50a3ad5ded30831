"""Encodings told apart: texts of twenty languages of our own, in the encodings that their readers used."""

from pathlib import Path

import pytest

from curation.formats import read, sniff
from curation.formats.readers.encodings import NAMES, detect

TEXTS: dict[str, tuple[tuple[str, ...], str]] = {
    "French": (("cp1252", "mac_roman"), "La pâtissière a préparé les gâteaux très tôt ce matin.|Où êtes-vous allés après l'été, et pourquoi ?|Le garçon a reçu une lettre de sa mère."),
    "German": (("cp1252",), "Die Straßenbahn fährt heute später.|Über den Flüssen hängt früh der Nebel.|Können Sie mir bitte die Größe sagen?"),
    "Spanish": (("cp1252",), "¿Dónde está la estación del tren?|El niño comió una manzana mañana y tarde.|La canción más antigua es también la más corta."),
    "Portuguese": (("cp1252",), "As crianças não estão na estação.|A informação sobre as reuniões já está à disposição.|O pão da manhã é bom."),
    "Italian": (("cp1252",), "La città è più bella di sera, perché c'è silenzio.|Così non si può andare avanti.|Il caffè è già pronto."),
    "Swedish": (("cp1252",), "Båten går över sjön i kväll.|Är det långt till närmaste hållplats?|Vi åkte tåg från Malmö."),
    "Danish": (("cp1252",), "Færgen sejler på onsdag, når det blæser mindre.|Børnene løber ned ad gaden.|Jeg så en rød bil på broen."),
    "Polish": (("cp1250", "iso8859_2"), "Proszę o zwrot pieniędzy za bilet.|Łódź płynie po Wiśle, a książka leży na stole.|Źle się czuję, więc zostanę w łóżku."),
    "Czech": (("cp1250", "iso8859_2"), "Příliš mnoho lidí čeká na vlak do Ústí.|Můžete mi říct, kde je nejbližší nádraží?|Dnes večer bude pršet a zítra sněžit."),
    "Slovak": (("cp1250", "iso8859_2"), "Môžete mi povedať, kde je najbližšia stanica?|Ďakujem, že ste prišli načas.|Vlak do Košíc mešká dvadsať minút."),
    "Hungarian": (("cp1250", "iso8859_2"), "A következő vonat öt perc múlva indul.|Kérem, hogy küldje el a számlát még ezen a héten.|Az őszi erdő gyönyörű, de hűvös."),
    "Romanian": (("cp1250", "iso8859_2"), "Trenul pleacă în cinci minute şi ajunge seara.|Îmi place să citesc cărţi vechi.|Această maşină nu este a mea."),
    "Croatian": (("cp1250", "iso8859_2"), "Možete li mi reći gdje je željeznički kolodvor?|Kuća je na kraju šume, pokraj rijeke.|Večeras ćemo doći kasnije."),
    "Turkish": (("cp1254",), "Şoföre nereye gittiğimizi söyledim.|Bu akşam yağmur yağacak, dışarı çıkmayalım.|Işık yanıyor ama kimse yok."),
    "Lithuanian": (("cp1257",), "Traukinys išvyksta po penkių minučių.|Ačiū, kad atėjote laiku į susitikimą.|Šiandien vakare bus šalta ir vėjuota."),
    "Latvian": (("cp1257",), "Vilciens atiet pēc piecām minūtēm.|Paldies, ka atnācāt laikā uz tikšanos.|Šovakar būs auksts un vējains."),
    "Russian": (("cp1251", "koi8_r", "cp866"), "Поезд отправляется через пять минут.|Спасибо, что пришли вовремя.|Сегодня вечером будет холодно."),
    "Ukrainian": (("cp1251", "koi8_u"), "Потяг відправляється за п'ять хвилин.|Дякую, що прийшли вчасно на зустріч.|Її книжка лежить на столі біля вікна."),
    "Bulgarian": (("cp1251",), "Влакът тръгва след пет минути.|Благодаря, че дойдохте навреме.|Тази вечер ще бъде студено."),
    "Greek": (("cp1253",), "Το τρένο φεύγει σε πέντε λεπτά.|Ευχαριστώ που ήρθατε στην ώρα σας.|Απόψε θα κάνει κρύο και θα βρέξει."),
    "Hebrew": (("cp1255",), "הרכבת יוצאת בעוד חמש דקות.|תודה שהגעתם בזמן לפגישה.|הערב יהיה קר מאוד."),
    "Arabic": (("cp1256",), "يغادر القطار بعد خمس دقائق.|شكرا لأنكم وصلتم في الموعد.|سيكون الجو باردا هذا المساء."),
    "Japanese": (("shift_jis", "euc_jp"), "次の電車は五分後に出発します。|時間通りに来てくれてありがとう。|今夜はとても寒くなるでしょう。"),
    "Icelandic": (("cp1252",), "Það er ekki langt að höfninni.|Þau komu á þriðjudaginn með bílnum.|Hún sagði að veðrið yrði gott."),
    "Chinese": (("gb18030",), "火车五分钟后出发。|谢谢你们准时来开会。|今天晚上会很冷。"),
    "Traditional Chinese": (("big5",), "火車五分鐘後出發。|謝謝你們準時來開會。|今天晚上會很冷。"),
    "Korean": (("euc_kr",), "기차는 오 분 후에 출발합니다.|제시간에 와 주셔서 감사합니다.|오늘 밤은 매우 추울 것입니다."),
    "English with names": (("cp1252",), "The café near Zürich closes at nine, doesn’t it?|It costs £5 – or “about” that.|Señora Núñez lives in Málaga."),
}  # fmt: skip
CASES = [
    (language, encoding, text)
    for language, (encodings, texts) in TEXTS.items()
    for encoding in encodings
    for text in (*texts.split("|"), texts.replace("|", "\n"))
]


def test_nineteen_in_twenty_texts_are_read_as_they_were_written(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for language, encoding, text in CASES:
        data = text.encode(encoding)
        if (found := detect(data)) not in NAMES or data.decode(found, "replace") != text:
            wrong.append((language, encoding, found, "\n" in text, data.decode(found, "replace")[:40]))
    right = len(CASES) - len(wrong)
    with capsys.disabled():
        print(f"\nencodings: {right} of {len(CASES)} texts right ({right / len(CASES):.3f})")
        for one in wrong:
            print("  ", one)
    assert right / len(CASES) >= 0.95
    assert not [case for case in wrong if case[3]]  # of three sentences each is right


def test_a_guess_is_named_and_the_text_right(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes("id,text\n1,Zażółć gęślą jaźń\n2,Proszę o zwrot pieniędzy\n".encode("cp1250"))
    source = sniff(path, "a.csv")
    assert source.notes[0] == "The encoding is guessed: Central European (Windows-1250)."
    assert next(row.data["text"] for row in read(path, source) if row.data) == "Zażółć gęślą jaźń"
