from __future__ import annotations

import random

import pytest

from florilegium.encodings import decode_text
from florilegium.errors import UnreadableFileError

CHINESE = [
    "茶",
    "鸢尾",
    "红玫瑰",
    "月季喜欢阳光",
    "茶 tea: 绿茶 green tea",
    "牡丹是中国的国花，春天开花。",
    "郁金香（Tulipa）是百合科的植物。",
    "玫瑰\n\n玫瑰需要充足的阳光。每周浇水两次。",
    "薰衣草 Lavandula angustifolia 原产地中海",
    "蔷薇属植物约有200种",
]
WESTERN = [
    "Rosé",
    "été",
    "Märchen",
    "Café crème",
    "São Paulo",
    "Grüße aus München",
    "Blåbærsyltetøj på brød",
    "Die Blüte öffnet sich im März.",
    "El jardín está en España, señor.",
    "Les fleurs séchées sont fragiles; l'été elles fanent.",
]


@pytest.mark.parametrize("text", CHINESE)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_chinese_is_read_even_when_it_is_short(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize("text", WESTERN)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_western_text_is_read_even_when_it_is_short(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Роза любит солнце и воду. Её поливают утром.", "cp1251"),
        ("薔薇は日光が好きです。水やりは朝にします。", "shift_jis"),
        ("玫瑰需要充足的陽光，每週澆水兩次。", "big5"),
        ("장미는 햇빛을 좋아한다. 물을 자주 준다.", "euc_kr"),
        ("Τα τριαντάφυλλα αγαπούν τον ήλιο.", "cp1253"),
    ],
)
def test_sentences_in_other_encodings_are_read(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_without_its_mark(encoding: str) -> None:
    assert decode_text("Roses like the sun, 玫瑰.".encode(encoding)) == "Roses like the sun, 玫瑰."


def test_utf_32_is_read() -> None:
    assert decode_text("玫瑰 rose".encode("utf-32")) == "玫瑰 rose"


def test_marks_of_windows_are_read() -> None:
    assert decode_text("“Rosé” – 5 €".encode("cp1252")) == "“Rosé” – 5 €"


def test_every_newline_is_a_line_feed() -> None:
    assert decode_text(b"a\r\nb\rc\n") == "a\nb\nc\n"


def test_an_empty_file_is_an_empty_text() -> None:
    assert decode_text(b"") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"rose\0tulip",
        bytes(range(256)),
        b"\0" * 64,
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\0\1\2",
        b"\xff\xfe\x00\xd8",
        b"\xef\xbb\xbf\xff\xff",
        b"\x01\x02\x03\x04\x05",
        random.Random(0).randbytes(2000),
        random.Random(1).randbytes(2000).replace(b"\0", b""),
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"'notes\.txt'") as caught:
        decode_text(data, name="notes.txt")

    assert caught.value.hint


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("GBK", "gb18030", "玫瑰"),
        ("latin1", "cp1252", "Ÿ ¹ ¤"),
        ("koi8-r", "koi8-r", "роза"),
        ("iso-2022-jp", "iso2022_jp", "バラ"),
        ("iso-8859-1", "utf-8", "Rosé"),
        ("utf-16", "utf-8", "Rosé"),
        ("rot13", "utf-8", "Rosé"),
    ],
)
def test_a_declared_encoding_is_believed_where_the_bytes_allow_it(
    declared: str, encoding: str, text: str
) -> None:
    assert decode_text(text.encode(encoding), declared=declared) == text
