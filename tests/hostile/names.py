"""Names of files and folders that are unusual, too long, or not what they seem."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Final

from tests.hostile.kinds import kind, write_sparse
from tests.hostile.pictures import healthy
from tests.hostile.texts import ROSE

TEXT: Final = ROSE.encode() * 3
_SAMPLES: Final = (
    0x00E9, 0x1F339, 0x20000, 0x30000, 0x40000, 0x50000, 0x60000, 0x70000, 0x80000, 0x90000,
    0xA0000, 0xB0000, 0xC0000, 0xD0000, 0xE0001, 0xF0000, 0x10FFFD,
)  # fmt: skip


def _write(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / f"{name}.txt").write_bytes(b"%d " % number + TEXT)
        (folder / f"{name}.png").write_bytes(healthy("PNG") + b"%d" % number)


@kind("names in every plane of Unicode", "taken")
def _(folder: Path) -> None:
    _write(folder, *(f"plane {at:x} {chr(at)}" for at in _SAMPLES))
    _write(folder, "not \ufffe\uffff\ufdd0", "private \ue000", "joined \u200d\u200b\ufeff")


@kind("names with newlines, tabs and quotes", "taken")
def _(folder: Path) -> None:
    _write(folder, "a\nb", "a\rb", "a\tb", "a'b\"c`d", "\n\n", " ", "a\u2028b\u2029c\x85d\x0bf")


@kind("names that would drive a terminal", "taken")
def _(folder: Path) -> None:
    _write(
        folder,
        "\x1b[2J\x1b[31mred",
        "\x1b]0;owned\x07",
        "\x9b31m",
        "\u202egnp.esor",
        "\u2066a\u2069\u200f\u061c",
        "[bold red]rich[bold]",
        "[link=file:..]x",
        "\x01\x02\x7f",
    )


@kind("names that would be options or patterns", "taken")
def _(folder: Path) -> None:
    _write(
        folder, "-", "--help", "-rf", "~", "*", "?", "[a-z]", "%s%n", "$(id)", "`id`", "a;b|c&d",
        "'); DROP TABLE items; --", "back\\slash", "{}", "!", "#", "100%25", "NUL", "con", "...",
    )  # fmt: skip


@kind("names with dots and blanks at their ends", "any")
def _(folder: Path) -> None:
    for name in ("a.txt.", "b.txt ", "c.", " d.txt", "e..txt", "f.txt\n", "g.TXT", "h.tXt"):
        (folder / name).write_bytes(name.encode() + TEXT)


@kind("names of 255 bytes", "taken")
def _(folder: Path) -> None:
    for letter in ("a", "茶", "\U0001f339"):
        room = 255 - len(".txt")
        _write(folder, letter * (room // len(letter.encode())))


@kind("names that are not UTF-8", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for number, raw in enumerate((b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80")):
        for suffix in (b".txt", b".png"):
            Path(os.fsdecode(os.fsencode(folder) + b"/%d" % number + raw + suffix)).write_bytes(
                TEXT
            )


@kind("folders whose names are not UTF-8", "failed", "source_unreadable")
def _(folder: Path) -> None:
    inner = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b[31m"))
    inner.mkdir()
    (inner / "rose.txt").write_bytes(TEXT)


@kind("twins in NFC and NFD, and in case", "taken")
def _(folder: Path) -> None:
    for form in ("NFC", "NFD"):
        _write(folder, unicodedata.normalize(form, "Rosé Ångström"))
    _write(folder, "ROSE", "rose", "Rose", "straße", "STRASSE")


@kind("folders named as files", "taken")
def _(folder: Path) -> None:
    for name in ("a.jpg", "b.txt", "c.html", "captions.csv", "florilegium.toml"):
        (folder / name).mkdir()
        (folder / name / "rose.txt").write_bytes(name.encode() + TEXT)


@kind("folders nested 500 deep", "taken")
def _(folder: Path) -> None:
    _write_deep(folder, depth=500, name="d")


@kind("folders nested as deep as a path may be long", "taken")
def _(folder: Path) -> None:
    room = os.pathconf(folder, "PC_PATH_MAX") - len(os.fsencode(folder)) - len("/rose.txt") - 1
    _write_deep(folder, depth=room // 2, name="d")


@kind("folders deeper than a path may be long", "failed", "source_unreadable")
def _(folder: Path) -> None:
    _write_deep(folder, depth=20, name="d" * 250)


def _write_deep(folder: Path, *, depth: int, name: str) -> None:
    # Step by step: the whole path may be longer than the system takes.
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    file = os.open("rose.txt", os.O_WRONLY | os.O_CREAT, dir_fd=handle)
    os.write(file, TEXT)
    os.close(file)
    os.close(handle)


@kind("sparse files of 100 GB", "failed", "source_too_large")
def _(folder: Path) -> None:
    for name in ("sparse.txt", "sparse.md", "sparse.html", "sparse.png"):
        write_sparse(folder / name, start=healthy("PNG") if name.endswith("png") else TEXT)
    write_sparse(folder / "sparse.jpg", start=healthy("JPEG"))


@kind("files of all times", "taken")
def _(folder: Path) -> None:
    for number, seconds in enumerate(
        (0, -1, -(2**31), 2**31, 2**32, 9_300_000_000, 15_000_000_000)
    ):
        file = folder / f"time {number}.txt"
        file.write_bytes(b"%d " % number + TEXT)
        os.utime(file, ns=(0, seconds * 10**9 + 1))


@kind("5,000 files of other kinds", "taken")
def _(folder: Path) -> None:
    for number in range(5_000):
        (folder / f"{number}.other").touch()
    (folder / "rose.txt").write_bytes(TEXT)
