"""Sidecars and tables of captions that are bombs, broken, or more than they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.hostile.kinds import Outcome, add_kind, kind, write_sparse
from tests.hostile.pictures import healthy
from tests.hostile.tags import CLAIMS, LAUGHS, NAMESPACES, NESTED, OUTSIDE

_ALIASES: Final = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
_NAMED: Final = b"a0: &a0 {k: x}\n" + b"".join(
    b"a%d: &a%d {%s}\n" % (n, n, b", ".join(b"k%d: *a%d" % (k, n - 1) for k in range(9)))
    for n in range(1, 12)
)
_MERGED: Final = b"a0: &a0 {k: x}\n" + b"".join(
    b"a%d: &a%d {<<: [%s]}\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
_PYTHON: Final = b"!!python/object/apply:os.system ['touch /tmp/owned']\n"


def sidecars(name: str, outcome: Outcome, suffix: str, /, **contents: bytes) -> None:
    """Add a kind of sidecars, each beside a healthy picture."""

    def write(folder: Path) -> None:
        for stem, data in contents.items():
            (folder / f"{stem}.png").write_bytes(healthy("PNG"))
            (folder / f"{stem}{suffix}").write_bytes(data)

    add_kind(name, outcome, write)


def tables(name: str, outcome: Outcome, file: str, /, **contents: bytes) -> None:
    """Add a kind of tables of captions, each in a folder of its own with a healthy picture."""

    def write(folder: Path) -> None:
        for inner, data in contents.items():
            (folder / inner).mkdir()
            (folder / inner / "rose.png").write_bytes(healthy("PNG"))
            (folder / inner / file).write_bytes(data)

    add_kind(name, outcome, write)


sidecars(
    "JSON sidecars that nest or flood",
    "any",
    ".json",
    nested=b"[" * 100_000 + b"]" * 100_000,
    objects=b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    seven=b'{"a":' * 7 + b'"b"' + b"}" * 7,
    keys=b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}",
    words=b'{"keywords":"' + b"a," * 500_000 + b'"}',
    list=b'{"keywords":[' + b",".join([b'"a"'] * 50_000) + b"]}",
    caption=b'{"caption":"' + b"rose " * 40_000 + b'"}',
    name=b'{"' + b"n" * 100_000 + b'":"v"}',
)
sidecars(
    "JSON sidecars with odd values",
    "any",
    ".json",
    digits=b'{"a":' + b"9" * 100_000 + b"}",
    numbers=b'{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999,"e":1e-999,"f":-0}',
    twins=b'{"caption":"a","caption":"b"}',
    half=b'{"caption":"\\ud800 rose","\\udfff":"\\ud83d"}',
    zeros=b'{"caption":"a\\u0000b\\u001b[31m"}',
    dates=b'{"date":"9999-99-99T99:99:99","photoTakenTime":{"timestamp":"9e99"}}',
    takeout=b'{"photoTakenTime":{"timestamp":"999999999999999999999"},"title":[[]]}',
    list=b"[1,2,3]",
    text=b'"rose"',
    empty=b"",
    cut=b'{"caption":"ro',
    noise=bytes(range(256)),
    wide='{"caption":"rose"}'.encode("utf-16"),
    twice=b'{"a":1}{"b":2}',
)
sidecars(
    "YAML bombs",
    "any",
    ".yaml",
    aliases=_ALIASES,
    named=_NAMED,
    merged=_MERGED,
    itself=b"a: &a [*a]\n",
    mapping=b"a: &a {b: *a}\n",
    nested=b"a: " + b"[" * 5_000 + b"]" * 5_000,
    flow=b"{a: " * 3_000,
    dashes=b"- " * 20_000,
    long=b"a: " + b"b" * 300_000,
    times=b"a: " + b"1:" * 20_000 + b"1\n",
)
sidecars(
    "YAML with tags and wrong values",
    "any",
    ".yml",
    python=_PYTHON,
    object=b"a: !!python/object:os.PathLike {}\n",
    name=b"a: !!python/name:os.system\n",
    bool=b"a: !!bool rose\n",
    int=b"a: !!int ''\n",
    text=b"a: !!int rose\n",
    float=b"a: !!float ''\n",
    moment=b"a: !!timestamp rose\n",
    date=b"a: 9999-99-99\n",
    hour=b"a: 2024-01-01T99:99:99+99:99\n",
    sixty=b"a: " + b"59:" * 200 + b"59.0\n",
    binary=b"a: !!binary '!!!'\n",
    set=b"a: !!set [a]\n",
    pairs=b"a: !!pairs rose\n",
    omap=b"a: !!omap {a: b}\n",
    key=b"? [a]\n: b\n",
    tag=b"a: !no-such rose\n",
    anchor=b"a: *b\n",
    two=b"a: 1\n---\nb: 2\n",
    zero=b"a: \0\n",
    back="a: \u202erose: [\n".encode(),
    hexadecimal=b"0x" + b"f" * 9_000 + b": a\n",
    tabs=b"\ta: b\n",
)
sidecars(
    "XMP sidecars that are bombs",
    "failed",
    ".xmp",
    laughs=LAUGHS,
    outside=OUTSIDE,
    claims=CLAIMS,
    empty=b"",
    noise=bytes(range(256)),
    cut=CLAIMS[:5_000],
)
sidecars("XMP sidecars that nest", "any", ".xmp", nested=NESTED, spaces=NAMESPACES)
tables(
    "CSV tables that are broken",
    "any",
    "captions.csv",
    field=b"file,caption\nrose.png," + b"a" * 10_000_000 + b"\n",
    quote=b'file,caption\nrose.png,"never closed' + b"\nrose.png,a" * 5_000,
    nul=b"file,caption\nrose.png,a\0b\n",
    cells=b"file,caption\nrose.png,a,b,c\n",
    header=b",".join(b"c%d" % n for n in range(50_000)) + b"\nrose.png\n",
    twins=b"file,file,caption\nrose.png,other.png,a\n",
    none=b"caption\na\n",
    empty=b"",
    line=b"file",
)
tables(
    "CSV tables that name odd files",
    "taken",
    "captions.csv",
    outside=b"file,caption\n../../../../etc/passwd,a\n/etc/shadow,b\nrose.png,c\n",
    urls=b"file,caption\nhttp://127.0.0.1/a.png,a\nfile:///etc/passwd,b\nrose.png,c\n",
    formula=b"file,caption\nrose.png,=cmd|' /C calc'!A0\n",
    many=b"file,caption\n" + b"".join(b"no %d.png,a\n" % n for n in range(20_000)),
    same=b"file,caption\n" + b"".join(b"rose.png,rose number %d\n" % n for n in range(1_500)),
)
tables(
    "JSON lines that are broken",
    "failed",
    "captions.jsonl",
    broken=b'{"file": broken}\n' * 100_000,
    nested=b'{"file":"rose.png","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    list=b"[]\n",
    nothing=b"{}\n",
    half=b'{"file":"rose.png"',
    number=b'{"file":7}\n',
    noise=bytes(range(256)) * 10,
)
tables(
    "JSON lines with odd values",
    "any",
    "metadata.jsonl",
    half=b'{"file":"\\ud800.png","caption":"\\udfff rose"}\n',
    zeros=b'{"file":"a\\u0000.png","caption":"a\\u0000"}\n',
    long=b'{"file":"' + b"a" * 1_000_000 + b'","caption":"a"}\n',
    digits=b'{"file":"rose.png","a":' + b"9" * 5_000 + b"}\n",
    lines='{"file":"rose.png","caption":"a\u2028b\u0085c"}\n'.encode(),
)


@kind("sidecars and tables of 100 GB", "any")
def _(folder: Path) -> None:
    (folder / "rose.png").write_bytes(healthy("PNG"))
    for name in ("rose.json", "rose.png.yaml", "rose.xmp", "captions.csv", "metadata.jsonl"):
        write_sparse(folder / name, start=b"{")
