"""From bytes to text, whatever encoding the bytes are in.

Pure. What UTF-8 and UTF-16 leave open is decided between Chinese and Western by simple rules
first, since statistics go wrong on short texts; charset-normalizer decides the rest.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import Final

import charset_normalizer

from florilegium.errors import UnreadableFileError

_MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What web pages declare, and what they mean by it (the Encoding Standard of WHATWG has them all).
_DECLARED: Final = {
    "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "windows-1252": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030",
    "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949", "big5-hkscs": "big5hkscs", "x-euc-jp": "euc-jp",
    "iso-8859-9": "cp1254", "tis-620": "cp874",
}  # fmt: skip
_SEVEN_BITS: Final = frozenset({"iso-2022-jp", "iso-2022-kr"})
_BYTES: Final = frozenset({
    "cp1252", "cp1254", "cp874", "gb18030", "cp932", "cp949", "big5", "big5hkscs", "euc-jp",
    "koi8-r", "koi8-u", "windows-1250", "windows-1251", "windows-1253", "windows-1254",
    "windows-1255", "windows-1256", "windows-1257", "windows-1258", "iso-8859-2", "iso-8859-3",
    "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-10",
    "iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16", "macintosh",
})  # fmt: skip
_SAMPLE = 1 << 16
# Western text in UTF-16 has a zero byte in nearly every character. Other text without a mark in
# front cannot be told from a binary file with a few zeros.
_MIN_ZERO_SHARE = 0.4
_NEWLINE = re.compile(r"\r\n?")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_MAX_CONTROL_SHARE = 0.01

# Letters and marks of Western Europe as Windows-1252 has them. The rest of the upper half, such as
# "¹" or "¤", hardly occurs in prose and tells of another encoding.
_WESTERN = re.compile(r"[\x00-\x7fÀ-ÖØ-öø-ÿŒœŠšŽžŸ€‚„…‘’“”•–—™¡§©«®°²³·»¿½ºª£\xa0´]*")
# More than this many accented letters in a row are no Western word, but a word of another script.
_ACCENTED_RUN = re.compile(r"[À-ÖØ-öø-ÿ]{4,}")

# GB 2312 holds its 3,755 most usual characters at lead bytes B0–D7; Chinese prose consists of them,
# while Cyrillic, Greek and accented words read as GB 18030 do not.
_USUAL_LEADS: Final = range(0xB0, 0xD8)
_MIN_USUAL_SHARE = 0.5
_CHINESE_MARK = re.compile(r"[\u3000-\u3020\uff01-\uff5e“”‘’…—·×]")
_HANGUL_TEXT = re.compile(r"(?:[\x00-\x7f]*[\uac00-\ud7a3]){6,}[\x00-\x7f]*")


def decode_text(data: bytes, *, name: str = "The text", declared: str | None = None) -> str:
    """Return the text in `data`, every newline as `\\n` and without a byte-order mark.

    Spans of chunks and citations are offsets into this text.

    Args:
        data: The bytes of a text file.
        name: What to call the file in errors.
        declared: The encoding that the file names itself, as web pages do. It is believed where
            the bytes do not say otherwise.

    Raises:
        UnreadableFileError: The bytes are not text.
    """
    encoding = _encoding(data, declared)
    try:
        text = None if encoding is None else data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise _not_text(name) from error
    if text is None or sum(1 for _ in _CONTROL.finditer(text)) > _MAX_CONTROL_SHARE * len(text):
        raise _not_text(name)
    return _NEWLINE.sub("\n", text)


def _not_text(name: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"{name!r} is not text in a known encoding.",
        hint="Save it as UTF-8, or give it the suffix of what it is.",
    )


def _encoding(data: bytes, declared: str | None) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if b"\0" in data:
        return _wide_encoding(data)
    named = _DECLARED.get((declared or "").strip().lower(), (declared or "").strip().lower())
    # Encodings of seven bits look like ASCII.
    if named in _SEVEN_BITS and b"\x1b" in data and _decodes(data, named):
        return named
    if _decodes(data, "utf-8"):
        return "utf-8"
    if named in _BYTES and _decodes(data, named):
        return named
    # Chinese first: its bytes can be read as Western letters too, but not the other way round.
    if _is_chinese(data):
        return "gb18030"
    if _is_western(data):
        return "cp1252"
    best = charset_normalizer.from_bytes(data[:_SAMPLE]).best()
    if best is not None and _decodes(data, best.encoding):
        return best.encoding
    return None


def _wide_encoding(data: bytes) -> str | None:
    """Return which UTF-16 this is, judged by where its zero bytes stand; None for a binary."""
    sample = data[:_SAMPLE]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    rare, frequent = sorted((even, odd))
    if len(data) % 2 or rare * 20 > frequent or frequent < _MIN_ZERO_SHARE * len(sample) / 2:
        return None
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    return encoding if _decodes(data, encoding) else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(data: bytes) -> bool:
    if not _decodes(data, "gb18030"):
        return False
    upper = Counter(data.decode("gb18030"))
    for one in [one for one in upper if one <= "\x7f"]:
        del upper[one]
    usual = sum(
        count
        for one, count in upper.items()
        if one.encode("gb18030")[0] in _USUAL_LEADS or _CHINESE_MARK.match(one)
    )
    if usual < _MIN_USUAL_SHARE * upper.total() or _reads_better_as_western(data):
        return False
    # Korean stands in the same rows, and is written with spaces between its words.
    return not (
        b" " in data and _decodes(data, "euc_kr") and _HANGUL_TEXT.fullmatch(data.decode("euc_kr"))
    )


def _reads_better_as_western(data: bytes) -> bool:
    """Return whether most upper bytes stand alone, between ASCII: "é" does, "茶" never."""
    lengths = Counter(len(run.group()) for run in re.finditer(rb"[\x80-\xff]+", data))
    return lengths[1] * 2 > lengths.total()


def _is_western(data: bytes) -> bool:
    if not _decodes(data, "cp1252"):
        return False
    text = data.decode("cp1252")
    return bool(_WESTERN.fullmatch(text)) and not _ACCENTED_RUN.search(text)
