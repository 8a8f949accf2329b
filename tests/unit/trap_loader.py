"""A loader whose files say what goes wrong with them, offered as a package would offer it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from florilegium.errors import SourceError, WeightsNotFoundError
from florilegium.ids import item_id
from florilegium.types import Item, Modality, Source

_damaged = False


class OddFileError(SourceError):
    """An error of a package that is not ours."""

    code = "source_odd"


def install_traps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` a package that offers the loader, here and to workers."""
    made = folder / "traps-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: traps\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text(
        "[florilegium.loaders]\ntrap = tests.unit.trap_loader:open_loader\n"
    )
    monkeypatch.syspath_prepend(str(folder))


class TrapLoader:
    """Reads `.trap` files, which hold the name of a trap and what it is given."""

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".trap"})

    def load(self, source: Source) -> Iterator[Item]:
        name, _, given = source.file.read_text(encoding="utf-8").strip().partition(" ")
        if not name.endswith("-picture"):
            TRAPS[name](given)
        yield Item(
            id=item_id(source.path, 0),
            source=source,
            modality=Modality.IMAGE if name.endswith("-picture") else Modality.TEXT,
            ordinal=0,
            title="trap",
            text=f"{name} {given}",
        )

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        name, _, given = item.text.partition(" ")
        TRAPS[name.removesuffix("-picture")](given)
        return Image.new("P" if given == "P" else "RGB", (8, 8))


def open_loader(model: str, *, config: object, count_tokens: object) -> TrapLoader:
    return TrapLoader()


def _leave_pid(given: str) -> None:
    """Tell a test which process this is. The name is changed last, so it is written whole."""
    if given:
        file = Path(given)
        file.with_suffix(".new").write_text(str(os.getpid()), encoding="utf-8")
        file.with_suffix(".new").rename(file)


def _segfault(given: str) -> None:
    ctypes.string_at(0)


def _loop(given: str) -> None:
    while True:
        pass


def _hang(given: str) -> None:
    """Hang in C, where no other Python runs."""
    _leave_pid(given)
    re.match(r"(a+)+$", "a" * 64 + "b")


def _child(given: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(given).write_text(str(child.pid), encoding="utf-8")
    time.sleep(600)


def _eat(given: str) -> None:
    eaten = []
    while True:
        eaten.append(bytearray(10_000_000))


def _eat_pieces(given: str) -> None:
    eaten: list[object] = []
    while True:
        eaten = [eaten, [None] * 100]


def _eat_and_tell(given: str) -> None:
    try:
        _eat("")
    except MemoryError as error:
        raise SourceError("It is too much for me.") from error


def _defect(given: str) -> None:
    raise KeyError("colour")


def _recurse(given: str) -> None:
    _recurse(given)


def _print(given: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.write("noise " * 1000)
        stream.flush()
    os.write(1, b"noise")
    assert sys.stdin.read() == ""


def _odd(given: str) -> None:
    raise OddFileError("It is odd.", hint="Even it out.")


def _damage(given: str) -> None:
    global _damaged
    _damaged = True


def _crash_if_damaged(given: str) -> None:
    if _damaged:
        _segfault(given)


def _no_weights(given: str) -> None:
    raise WeightsNotFoundError("There are no weights.", hint="Pull them.")


def _raise(error: BaseException) -> None:
    raise error


TRAPS: dict[str, Callable[[str], object]] = {
    "segfault": _segfault,
    "abort": lambda given: os.abort(),
    "killed": lambda given: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda given: os._exit(3),
    "leave": lambda given: sys.exit(3),
    "loop": _loop,
    "hang": _hang,
    "sleep": lambda given: time.sleep(600),
    "child": _child,
    "eat": _eat,
    "eat-pieces": _eat_pieces,
    "eat-and-tell": _eat_and_tell,
    "defect": _defect,
    "warn": lambda given: _raise(UserWarning("strange")),
    "recurse": _recurse,
    "print": _print,
    "odd": _odd,
    "no-weights": _no_weights,
    "damage": _damage,
    "crash-if-damaged": _crash_if_damaged,
    "close": lambda given: os.closerange(3, 100),
    "fine": lambda given: None,
}
