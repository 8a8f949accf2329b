"""Texts: bombs of size and nesting, binaries, and every encoding that is rare or wrong."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Final

from tests.hostile.kinds import files, kind
from tests.hostile.pictures import healthy

ROSE: Final = "The rose wants water twice a week, and 茶 wants less. "
ESCAPES: Final = "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b5m rose \r\n\u202eback\u202c\n"

files("a line of 15 MB without blanks", "taken", line__txt=b"a" * 15_000_000)
files(
    "long lines",
    "taken",
    digits__txt=b"0123456789" * 15_000,
    dots__txt=b"." * 200_000,
    wide__txt=("茶" * 40_000).encode(),
    marks__txt=("e" + "\u0301" * 40_000).encode(),
    joined__txt=("\U0001f469\u200d" * 10_000).encode(),
    invisible__txt=("\u200b" * 40_000 + "rose").encode(),
    blanks__txt=b"rose" + b" " * 200_000 + b"rose",
    commas__txt=b"a," * 60_000,
)
files("nothing but newlines", "any", lines__txt=b"\n" * 200_000, returns__md=b"\r" * 500_000)
files("a word behind newlines", "taken", lines__txt=b"\n" * 500_000 + b"rose")
files("empty texts", "any", **{f"empty__{name}": b"" for name in ("txt", "md", "html")})
files("texts of one byte", "any", **{f"one__{name}": b"a" for name in ("txt", "md", "html")})
files("texts of one zero", "failed", **{f"nul__{name}": b"\0" for name in ("txt", "md", "html")})
files(
    "Markdown nested deeply",
    "taken",
    brackets__md=b"[" * 4_000,
    pairs__md=b"[" * 15_000 + b"]" * 15_000 + b"(x)",
    pictures__md=b"![" * 15_000,
    links__md=b"[a](" * 15_000,
    escapes__md=b"[\\" * 3_000,
    emphasis__md=b"*a **b " * 6_000,
    stars__md=b"*" * 60_000,
    quotes__md=b">" * 4_000 + b" rose",
    ticks__md=b"`" * 60_000,
    unequal__md=b" ".join(b"`" * (n % 50) for n in range(3_000)),
    headings__md=b"# a\n" * 6_000,
    underlines__md=b"a\n===\n" * 6_000,
    fences__md=b"```\n" * 10_001,
    lists__md=b"".join(b" " * n + b"- a\n" for n in range(1_000)),
)
files(
    "Markdown with endless references",
    "taken",
    definitions__md=b"".join(b"[n%d]: x.png\n" % n for n in range(6_000)),
    named__md=b"[a]: b.png\n" + b"[a][a" * 15_000,
    images__md=b"".join(b"![](%d.png)" % n for n in range(6_000)),
    table__md=b"|a" * 15_000 + b"|\n" + b"|-" * 15_000 + b"|\n",
    tags__md=b"<img src='" * 15_000,
    angles__md=b"[a](<" * 15_000,
)
files(
    "front matter that is none",
    "taken",
    open__md=b"---\n" + b"a: b\n" * 15_000,
    keys__md=b"---\n" + b"".join(b"k%d: v\n" % n for n in range(15_000)) + b"---\nrose\n",
    colons__md=b"---\n" + b":" * 60_000 + b"\n---\n",
    quotes__md=b'---\n"' + b"a" * 60_000 + b"\n---\n",
    title__md=b'---\ntitle: "\\ud800 \\udfff rose"\n---\nText of the rose.\n',
    long__md=b"---\ntitle: " + b"rose " * 15_000 + b"\n---\n" + b"Text of the rose.\n\n" * 2_000,
    bomb__md=b"---\na: &a [x]\nb: &b [*a,*a]\n---\nrose\n",
)
files(
    "HTML nested deeply",
    "taken",
    divs__html=b"<div>" * 15_000 + b"rose" + b"</div>" * 15_000,
    spans__html=b"<p>rose" + b"<b>" * 15_000,
    tables__html=b"<table><tr><td>" * 4_000 + b"rose",
    lists__html=b"<ul><li>" * 6_000 + b"rose",
    closing__html=b"<p>rose" + b"</div>" * 15_000,
    crossed__html=b"rose" + b"<b><i></b></i>" * 6_000,
)
files(
    "HTML whose parts contain each other",
    "taken",
    links__html=b"<a href=x.png>" * 6_000 + b"rose " * 3_000,
    figures__html=b"<figure>"
    + b"<img src=x.png alt=a>" * 3_000
    + b"<figcaption>"
    + b"rose " * 3_000,
    captions__html=b"<figure><figcaption>" * 3_000 + b"rose " * 3_000,
    feet__html=b"<div>" * 2_000 + b"rose<footer></footer>" * 3_000,
    pictures__html=b"rose" + b"".join(b"<img src=%d>" % n for n in range(15_000)),
)


@kind("HTML with many elements deep inside", "failed", needs_isolation=True)
def _(folder: Path) -> None:
    # The parser goes up through all open elements for each new one.
    page = b"<div>" * 100_000 + b"rose<i></i>" * 100_000
    (folder / "deep.html").write_bytes(page)


files(
    "HTML that never ends",
    "any",
    script__html=b"rose<script>" + b"if (a < b) " * 6_000,
    comments__html=b"rose" + b"<!--" * 15_000,
    declarations__html=b"rose" + b"<!a" * 15_000,
    sections__html=b"rose" + b"<![CDATA[" * 6_000,
    instructions__html=b"rose" + b"<?x" * 15_000,
    angles__html=b"rose" + b"<" * 4_000,
    entities__html=b"rose" + b"&" * 60_000,
    numbers__html=b"rose" + b"&#" * 4_000,
    attributes__html=b"rose<p " + b"a=b " * 15_000,
    values__html=b'rose<p a="' + b"x" * 200_000,
    title__html=b"<title>" + b"rose " * 15_000,
    area__html=b"rose<textarea>" * 3_000,
    plain__html=b"rose<plaintext>" * 3_000,
)
files(
    "HTML with entities and tables",
    "taken",
    laughs__html=b'<!DOCTYPE html [<!ENTITY a "rose"><!ENTITY b "&a;&a;">]><p>&b;</p>',
    columns__html=b"<table><tr>" + b"<td>a" * 15_000,
    surrogates__html=b"<title>&#xD800;</title><p>rose &#xD800; &#55296; &#xDFFF;</p>",
    wide__html=b"<p>rose &#x110000; &#99999999999999; &#-1; &#x; &#0; &#xFFFF;</p>",
    links__html=b'<p>rose<a href="&#xD800;.png">a</a><img src="%ED%A0%80.png" alt="&#xDFFF;">',
)
files(
    "pages with wrong declarations",
    "any",
    unknown__html=b'<meta charset="no-such">' + ROSE.encode(),
    wide__html=b'<meta charset="utf-16">' + ROSE.encode(),
    seven__html=b'<meta charset="utf-7">+ADw-script+AD4- rose',
    codec__html=b'<meta charset="zlib">' + ROSE.encode(),
    rot__html=b'<meta charset="rot13">' + ROSE.encode(),
    long__html=b'<meta charset="' + b"a" * 15_000 + b'">' + ROSE.encode(),
    jis__html=b'<meta charset="iso-2022-jp">\x1b$B\xff\xff\x1b(B rose',
)
files(
    "compressed data named as text",
    "failed",
    "source_unreadable",
    gz__txt=gzip.compress(ROSE.encode() * 99, mtime=0),
    bomb__txt=gzip.compress(bytes(10_000_000), mtime=0),
    deflate__md=zlib.compress(ROSE.encode() * 99),
    picture__html=healthy("PNG"),
    program__txt=b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 30,
)
files(
    "texts in wide encodings with a mark",
    "taken",
    **{
        f"{name} marked__txt": mark + (ROSE * 9).encode(name)
        for name, mark in (
            ("utf-16-le", b"\xff\xfe"),
            ("utf-16-be", b"\xfe\xff"),
            ("utf-32-le", b"\xff\xfe\0\0"),
            ("utf-32-be", b"\0\0\xfe\xff"),
            ("utf-8", b"\xef\xbb\xbf"),
        )
    },
)
files(
    "texts in wide encodings without a mark",
    "any",
    **{
        f"{name}__txt": (ROSE * 9).encode(name)
        for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-7", "gb18030")
    },
)
files(
    "texts that are cut or lie of their encoding",
    "any",
    odd__txt=b"\xff\xfe" + ROSE.encode("utf-16-le")[:-1],
    half__txt=b"\xff\xfe\0\xd8" + ROSE.encode("utf-16-le"),
    mark__txt=b"\xff\xfe",
    marks__txt=b"\xef\xbb\xbf" * 100,
    wide__txt=b"\xff\xfe\0\0\0\0\x11\0",
    surrogate__txt=ROSE.encode() + b"\xed\xa0\x80\xed\xb0\x80",
    long__txt=ROSE.encode() + b"\xc0\xaf\xe0\x80\xaf",
    beyond__txt=ROSE.encode() + b"\xf4\x90\x80\x80\xff\xfe",
    cut__txt=ROSE.encode()[:-1] + "茶".encode()[:2],
    bytes__txt=bytes(range(256)) * 50,
    upper__txt=bytes(range(128, 256)) * 50,
    nuls__txt=b"a\0b\0\0c" * 100,
    noise__txt=zlib.compress(bytes(range(256)) * 9) * 9,
)
files(
    "texts that would drive a terminal",
    "any",
    escapes__txt=ESCAPES.encode() + ROSE.encode() * 20,
    title__md=b"# \x1b[31mred\x1b[0m\n\n" + ROSE.encode() * 20,
    planes__txt=("rose " + "".join(chr(0x10000 * n + 0xFFFD) for n in range(17))).encode(),
    nothing__txt=("rose " + "\ufffe\uffff\ufdd0\ue000\U000f0000" * 2).encode() + ROSE.encode() * 9,
    tags__txt="rose\U000e0001\U000e0041\U000e007f\u2028\u2029\u0085\x0b\x0c".encode(),
    bidi__txt="rose \u202e\u2066\u2067\u200f\u061c".encode(),
)
