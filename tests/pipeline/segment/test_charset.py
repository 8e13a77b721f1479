"""Old encodings are told by what they declare or by their letters; nothing is refused."""

from __future__ import annotations

import pytest

from pipeline.segment.charset import decode

TEXTS = {
    "ru": ("Добрый день, дорогие друзья. Сегодня мы поговорим о погоде на севере страны.", ["cp1251", "koi8_r"]),
    "zh": ("大家好，欢迎收听今天的节目。我们来谈谈北方的天气。", ["gb18030", "gbk"]),
    "zh_tw": ("大家好，歡迎收聽今天的節目。我們來談談北方的天氣。", ["big5"]),
    "ja": ("みなさん、こんにちは。今日は北の天気についてお話しします。ありがとうございます。", ["cp932", "euc_jp"]),
    "ko": ("안녕하세요 여러분. 오늘은 북쪽 지방의 날씨에 대해 이야기하겠습니다.", ["cp949"]),
    "el": ("Καλημέρα αγαπητοί φίλοι. Σήμερα θα μιλήσουμε για τον καιρό στον βορρά.", ["cp1253"]),
    "ar": ("مرحبا أيها الأصدقاء الأعزاء. سنتحدث اليوم عن الطقس في شمال البلاد.", ["cp1256"]),
    "he": ("שלום חברים יקרים. היום נדבר על מזג האוויר בצפון הארץ.", ["cp1255"]),
    "fr": ("Où ça ? L’été dernier, nous étions à l'hôtel près de la forêt.", ["cp1252"]),
    "de": ("Schöne Grüße: Im Süden wird es heiß, überall sonst bleibt es kühl.", ["cp1252", "latin-1"]),
    "es": ("¿Qué tiempo hará mañana? El señor Núñez espera sol en el sur.", ["cp1252"]),
    "pt": ("Amanhã não haverá chuva na região, mas as previsões são incertas.", ["cp1252"]),
    "sv": ("Här är vädret: på måndag blir det kallt över hela Sverige.", ["cp1252"]),
}
CASES = [(text, encoding) for text, encodings in TEXTS.values() for encoding in encodings]


@pytest.mark.parametrize(("text", "encoding"), CASES)
@pytest.mark.parametrize("num_lines", [2, 50])
def test_the_letters_tell_the_encoding(text: str, encoding: str, num_lines: int) -> None:
    lines = "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{text}\n\n" for n in range(num_lines))
    assert decode(lines.encode(encoding)) == lines


def test_a_single_accent_is_western_european() -> None:
    assert decode(b"00:01,000 --> 00:02,000\nCaf\xe9\n") == "00:01,000 --> 00:02,000\nCafé\n"


DECLARED = [
    ('<?xml version="1.0" encoding="iso-8859-2"?><tt>Dobrý večer, vážení přátelé.</tt>', "iso-8859-2"),
    ('<html><meta charset="windows-1254"><p>İyi günler değerli arkadaşlar.</p></html>', "cp1254"),
    ('<html><meta http-equiv=x content="text/html; charset=tis-620"><p>สวัสดีครับ</p></html>', "tis-620"),
]


@pytest.mark.parametrize(("text", "encoding"), DECLARED)
def test_a_declared_encoding_is_believed_where_it_reads(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("declared", ["utf-8", "no-such", "idna", "base64", "utf-7", "unicode_escape", "shift_jis"])
def test_a_declaration_that_cannot_be_is_not_believed(declared: str) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?><tt>Où ça ? L’été dernier, à l’hôtel.</tt>'
    assert decode(text.encode("cp1252")) == text


def test_valid_utf_8_is_utf_8_whatever_is_declared() -> None:
    text = '<?xml version="1.0" encoding="windows-1251"?><tt>Où ça ?</tt>'
    assert decode(text.encode()) == text


def test_a_little_damage_does_not_make_utf_8_something_else() -> None:
    data = ("ዝናብ በሰሜን ይጠበቃል " * 9).encode()[:-2]
    assert decode(data).count("\ufffd") == 1
