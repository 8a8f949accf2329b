"""The file of accounts: TOML that `florilegium users` writes and the server reads.

What is wrong in it is named by line or user; hashes are never repeated.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import filelock

from florilegium.durable import replace_file
from florilegium.errors import ConfigError
from florilegium.server.accounts import Account, check_label, check_user_name
from florilegium.server.served import check_name
from florilegium.server.users import User

Accounts = dict[str, Account]

_FIELDS: Final = frozenset({"id", "password", "libraries", "may_write", "keys"})
_HASH: Final = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[\w+/]+\$[\w+/]+", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PLACE: Final = re.compile(r"at line \d+, column \d+")
_MODE: Final = 0o600
_WAIT: Final = 10.0  # seconds for another command that changes the file


def read_accounts(file: Path) -> Accounts:
    """Return the accounts of a file by name.

    Raises:
        ConfigError: There is no such file, or it is damaged.
    """
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no file of accounts {str(file)!r}.",
            hint="Make the first account by `florilegium users add NAME --users FILE`.",
        ) from error
    except UnicodeDecodeError as error:
        raise _damaged(file, "it is not UTF-8") from error
    except OSError as error:
        raise ConfigError(
            f"The file of accounts {str(file)!r} cannot be read: {error.strerror}.",
            hint="Let the user whom the server runs as own it.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        # What stands there may be a hash, so the rest of the message is left out, and its cause.
        raise _damaged(file, f"no TOML {place[0] if place else 'at its end'}") from None
    if set(tree) - {"users"} or not isinstance(tree.get("users", {}), dict):
        raise _damaged(file, "it has to hold [users.NAME] and nothing else")
    return {name: _account(file, name, row) for name, row in tree.get("users", {}).items()}


def write_accounts(file: Path, accounts: Mapping[str, Account]) -> None:
    """Write accounts, readable by nobody but the owner of the file.

    Raises:
        ConfigError: The file cannot be written.
    """
    lines = ["# Accounts of `florilegium serve`; `florilegium users` writes this file."]
    for name in sorted(accounts):
        lines += ["", *_rows(accounts[name])]
    try:
        replace_file(file.resolve(), ("\n".join(lines) + "\n").encode(), mode=_MODE)
    except OSError as error:
        raise _not_written(file, error) from error


@contextmanager
def changing_accounts(file: Path) -> Iterator[Accounts]:
    """Give the accounts of a file, none if there is no file, and write them after the block.

    Two commands at a time change it one after the other. An error in the block changes nothing.

    Raises:
        ConfigError: The file is damaged, cannot be written, or is being changed all the time.
    """
    target = file.resolve()
    lock = filelock.FileLock(target.with_name(f"{target.name}.lock"))
    try:
        lock.acquire(timeout=_WAIT)
    except filelock.Timeout as error:
        raise ConfigError(
            f"Another command is changing the file of accounts {str(file)!r}.",
            hint="Try again when it has ended.",
        ) from error
    except OSError as error:
        raise _not_written(file, error) from error
    try:
        accounts = read_accounts(file) if file.exists() else {}
        yield accounts
        write_accounts(file, accounts)
    finally:
        lock.release()


def _rows(account: Account) -> Iterator[str]:
    name = _quoted(account.user.name)
    yield f"[users.{name}]"
    if account.user.id is not None:
        yield f"id = {_quoted(account.user.id)}"
    yield f"password = {_quoted(account.password)}"
    if account.user.libraries is not None:
        yield f"libraries = [{', '.join(map(_quoted, sorted(account.user.libraries)))}]"
    if account.user.may_write:
        yield "may_write = true"
    if account.keys:
        yield f"[users.{name}.keys]"
    for label, hashed in sorted(account.keys.items()):
        yield f"{_quoted(label)} = {_quoted(hashed)}"


def _account(file: Path, name: str, row: Any) -> Account:
    try:
        check_user_name(name)
    except ConfigError:
        raise _damaged(file, f"{_shown(name)} is no name of an account") from None
    if not isinstance(row, dict):
        raise _damaged(file, f"user {name!r} is no table")
    if unknown := sorted(set(row) - _FIELDS):
        raise _damaged(file, f"user {name!r} has an unknown entry {_shown(unknown[0])}")
    password = row.get("password")
    if not isinstance(password, str) or not _HASH.fullmatch(password):
        raise _damaged(file, f"the password of user {name!r} is no Argon2id hash")
    may_write = row.get("may_write", False)
    if not isinstance(may_write, bool):
        raise _damaged(file, f"may_write of user {name!r} is neither true nor false")
    libraries = _libraries(file, name, row.get("libraries"))
    id_ = row.get("id")  # accounts of earlier versions have none
    if id_ is not None and not (isinstance(id_, str) and _ID.fullmatch(id_)):
        raise _damaged(file, f"the id of user {name!r} is not 32 digits in hexadecimal")
    user = User(name=name, libraries=libraries, may_write=may_write, id=id_)
    return Account(user=user, password=password, keys=_keys(file, name, row.get("keys", {})))


def _libraries(file: Path, name: str, value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _damaged(file, f"libraries of user {name!r} is no list of names")
    try:
        for one in value:
            check_name(one)
    except ConfigError as error:
        raise _damaged(
            file, f"libraries of user {name!r} has a name that no library has"
        ) from error
    return frozenset(value)


def _keys(file: Path, name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _damaged(file, f"the keys of user {name!r} are no table")
    for label, hashed in value.items():
        try:
            check_label(label)
        except ConfigError as error:
            raise _damaged(file, f"user {name!r} has a key with a wrong label") from error
        if not isinstance(hashed, str) or not _DIGEST.fullmatch(hashed):
            raise _damaged(file, f"the key {label!r} of user {name!r} is no SHA-256")
    return dict(value)


def _shown(name: str) -> str:
    # A hash that got to the wrong place is not repeated either.
    return repr(name[:40]) if "$" not in name else "with '$'"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _damaged(file: Path, what: str) -> ConfigError:
    return ConfigError(
        f"The file of accounts {str(file)!r} is damaged: {what}.",
        hint="Mend it by hand, or make the account anew with `florilegium users`.",
    )


def _not_written(file: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"The file of accounts {str(file)!r} cannot be written: {error.strerror}.",
        hint="Choose a file in a folder that is there and that you may write to.",
    )
