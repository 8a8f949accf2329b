"""What the server gives and takes, as frozen data: a library under its name, and a question."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from florilegium.answers import AnswerOptions, Turn
from florilegium.errors import ConfigError
from florilegium.filters import Filter
from florilegium.ids import hash_bytes
from florilegium.library import Library
from florilegium.types import Picture

_LONGEST_NAME: Final = 64  # characters
_SIGNS: Final = "_.-"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """A library under the name that stands in addresses, with the title that people read.

    `identity` tells libraries apart whatever they are called: it stands for the folder.
    """

    name: str
    title: str
    library: Library
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", identity_of(self.library.root))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A question with all that comes with it; as the arguments of `Library.stream`.

    `since` is when it came, by `time.monotonic`: what is read for it is part of its time.
    """

    question: str = ""
    image: Picture | None = None
    history: tuple[Turn, ...] = ()
    where: Filter | None = None
    quote: bool = False
    options: AnswerOptions = field(default_factory=AnswerOptions)
    since: float = field(default_factory=monotonic)


def name_of(folder: Path) -> str:
    """Return the name in addresses of a library: that of its folder, as far as it can stand there.

    Letters and digits of all scripts can: addresses have them percent-encoded. A folder without
    any has the name `library`.
    """
    composed = unicodedata.normalize("NFC", folder.name)
    plain = "".join(one if _can_stand(one) else " " for one in composed)
    # A mark of nothing, as at the beginning, is no name either.
    name = "-".join(plain.split())[:_LONGEST_NAME].strip(_SIGNS)
    return name if name and _begins(name) else "library"


def identity_of(folder: Path) -> str:
    """Return a hash of where a folder lies, the same by whichever link it is reached."""
    return hash_bytes(os.fsencode(os.path.realpath(folder)))


def check_name(name: str) -> None:
    """Raise ConfigError unless a library can have this name in addresses."""
    is_good = (
        len(name) <= _LONGEST_NAME
        and name == unicodedata.normalize("NFC", name)
        and _begins(name)
        and all(map(_can_stand, name))
    )
    if not is_good:
        raise ConfigError(
            f"{name[:100]!r} cannot be the name of a library in addresses.",
            hint=f"Take at most {_LONGEST_NAME} letters, digits, '-', '_' and '.', and begin with "
            "a letter or a digit.",
        )


def _begins(name: str) -> bool:
    return unicodedata.category(name[:1] or " ")[0] in "LN"


def _can_stand(character: str) -> bool:
    # Marks are the vowel signs and tones of many scripts.
    return character in _SIGNS or unicodedata.category(character)[0] in "LNM"
