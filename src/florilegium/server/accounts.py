"""Accounts: a user with a password and keys. Knows no file, and hashes nothing itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from florilegium.errors import ConfigError
from florilegium.server.users import KEY_USER, LOCAL_USER, User

_NAME: Final = re.compile(r"[^\W_][\w.@-]{0,63}")
_RESERVED: Final = frozenset({LOCAL_USER.name, KEY_USER.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, and what proves that somebody is that user.

    Attributes:
        user: Who it is, and what they may see and do.
        password: The Argon2id hash of the password; it names its own parameters.
        keys: SHA-256 of each key in hexadecimal, by the label that tells keys apart.
    """

    user: User
    password: str = field(repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


def check_user_name(name: str) -> None:
    """Raise ConfigError unless an account can have this name."""
    if name in _RESERVED:
        raise ConfigError(
            f"{name!r} cannot be the name of an account: it stands for users without one.",
            hint="Choose another name.",
        )
    _check(name, "the name of an account")


def check_new_name(name: str, taken: Iterable[str]) -> None:
    """Raise ConfigError unless an account can be added under this name.

    Args:
        name: The name.
        taken: The names that there are.
    """
    check_user_name(name)
    others = [*taken, *_RESERVED]
    if name in others:
        raise ConfigError(
            f"There is a user {name!r} already.",
            hint="Change the password by `florilegium users password`, what the user may do by "
            "`florilegium users change`, or remove the user first.",
        )
    like = [other for other in others if _folded(other) == _folded(name)]
    if like:
        raise ConfigError(
            f"{name!r} cannot be the name of an account: people would take it for {like[0]!r}.",
            hint="Choose a name that differs by more than capitals.",
        )


def names_alike(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of names that people would take for one, of which files may have some."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def check_label(label: str) -> None:
    """Raise ConfigError unless a key can have this label."""
    _check(label, "the label of a key")


def _folded(name: str) -> str:
    # Folding case can undo the normal form, so it is made again.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _check(name: str, what: str) -> None:
    # Two names that look the same would otherwise be two accounts.
    if not _NAME.fullmatch(name) or unicodedata.normalize("NFKC", name) != name:
        raise ConfigError(
            f"{name[:100]!r} cannot be {what}.",
            hint="Take at most 64 letters, digits, '-', '_', '.' and '@', and begin with a letter "
            "or a digit.",
        )
