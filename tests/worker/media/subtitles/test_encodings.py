"""Text in the usual encodings, from files as short as they come."""

from __future__ import annotations

import pytest

from worker.media.subtitles.encodings import decode_text

LINES = {
    "ru": "Кошки гуляют по крыше. Где ты был вчера вечером?",
    "uk": "Де ти був учора ввечері? Я не знаю, що тобі сказати.",
    "de": "Wo warst du gestern? Ich weiß nicht, was ich dir sagen soll.",
    "fr": "Où étais-tu hier soir ? Je ne sais pas quoi te dire. Ça va ?",
    "es": "¿Dónde estabas anoche? No sé qué decirte.",
    "pl": "Gdzie byłeś wczoraj wieczorem? Nie wiem, co ci powiedzieć.",
    "cs": "Kde jsi byl včera večer? Nevím, co ti mám říct.",
    "hu": "Hol voltál tegnap este? Nem tudom, mit mondjak neked.",
    "el": "Πού ήσουν χθες το βράδυ; Δεν ξέρω τι να σου πω.",
    "tr": "Dün gece neredeydin? Sana ne söyleyeceğimi bilmiyorum.",
    "he": "איפה היית אתמול בערב? אני לא יודע מה להגיד לך.",
    "ar": "أين كنت ليلة أمس؟ لا أعرف ماذا أقول لك.",
    "lt": "Kur buvai vakar vakare? Nežinau, ką tau pasakyti.",
    "th": "เมื่อคืนคุณอยู่ที่ไหน ฉันไม่รู้จะบอกคุณอย่างไร",
    "ja": "昨日の夜はどこにいたの。何と言えばいいのか分からない。",
    "zh": "昨天晚上你在哪里。我不知道该对你说什么。",
    "zh-TW": "昨天晚上你在哪裡。我不知道該對你說什麼。",
    "ko": "어젯밤에 어디 있었어? 너에게 무슨 말을 해야 할지 모르겠어.",
}
OF = {
    "ru": ["cp1251", "koi8-r", "iso8859-5", "cp866"], "uk": ["cp1251", "koi8-u"], "de": ["cp1252", "iso8859-15"],
    "fr": ["cp1252"], "es": ["iso8859-1"], "pl": ["cp1250", "iso8859-2"], "cs": ["cp1250"], "hu": ["cp1250"],
    "el": ["cp1253", "iso8859-7"], "tr": ["cp1254"], "he": ["cp1255"], "ar": ["cp1256"], "lt": ["cp1257"],
    "th": ["cp874"], "ja": ["shift_jis", "euc_jp", "iso2022_jp"], "zh": ["gbk", "gb18030"], "zh-TW": ["big5"],
    "ko": ["euc_kr"],
}  # fmt: skip


def srt(line: str) -> str:
    return f"1\r\n00:00:01,000 --> 00:00:02,500\r\n{line}\r\n"


@pytest.mark.parametrize(("language", "encoding"), [(lang, name) for lang, names in OF.items() for name in names])
def test_one_line_is_enough_with_and_without_its_language(language: str, encoding: str) -> None:
    text = srt(LINES[language])
    assert decode_text(text.encode(encoding)) == text
    assert decode_text(text.encode(encoding), language) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("language", ["de", "ru", "ja"])
def test_unicode_with_and_without_a_mark(language: str, encoding: str) -> None:
    text = srt(LINES[language])
    assert decode_text(text.encode(encoding), "fr") == text


@pytest.mark.parametrize("line", ["The café opens at nine.", "“Don’t,” she said.", "Straße", "señor", "Où ça ?"])
def test_a_few_letters_beyond_ascii_are_of_the_west(line: str) -> None:
    assert decode_text(srt(line).encode("cp1252")) == srt(line)


def test_a_wrong_language_in_the_name_does_no_harm() -> None:
    text = srt(LINES["ru"])
    assert decode_text(text.encode("cp1251"), "ja") == text
    assert decode_text(srt("plain").encode(), "ru") == srt("plain")


def test_a_file_put_together_from_two_encodings() -> None:
    data = srt("Grüße aus Köln").encode() + srt("schöne Straße").encode("cp1252")
    assert decode_text(data) == srt("Grüße aus Köln") + srt("schöne Straße")


def test_any_bytes_become_some_text() -> None:
    for data in (
        b"",
        b"\x00",
        b"\xff",
        b"\xff\xfe",
        b"\xff\xfe\x00",
        bytes(range(256)),
        bytes(range(255, -1, -1)) * 40,
    ):
        assert isinstance(decode_text(data), str)
