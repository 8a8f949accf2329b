"""The file of accounts is written whole and for its owner only, and its faults are named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import filelock
import pytest

from florilegium.errors import ConfigError
from florilegium.server import users_file
from florilegium.server.accounts import Account
from florilegium.server.keys import digest
from florilegium.server.users import User
from florilegium.server.users_file import changing_accounts, read_accounts, write_accounts
from tests.unit.server.access_samples import account

HASH = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def test_what_is_written_is_read(file: Path) -> None:
    anna = Account(
        user=User(
            name="anna@example.org", libraries=frozenset({"b", "a"}), may_write=True, id="0a" * 16
        ),
        password=HASH,
        keys={"张": digest("1"), "laptop": digest("2")},
    )
    ben = Account(user=User(name="ben"), password=HASH)
    none = Account(user=User(name="none", libraries=frozenset()), password=HASH)
    accounts = {one.user.name: one for one in (anna, ben, none)}

    write_accounts(file, accounts)

    assert read_accounts(file) == accounts


def test_only_its_owner_reads_it(file: Path) -> None:
    file.write_text("", encoding="utf-8")
    file.chmod(0o644)
    before = os.umask(0)
    try:
        write_accounts(file, {})
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_to_the_file_stays_one(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)

    write_accounts(link, {"anna": account("anna")})

    assert link.is_symlink()
    assert set(read_accounts(file)) == {"anna"}


def test_no_file_says_how_to_make_one(file: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file of accounts") as caught:
        read_accounts(file)

    assert "florilegium users add" in str(caught.value.hint)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_accounts(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_accounts(tmp_path / "absent" / "users.toml", {})
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match="cannot be written: "),
        changing_accounts(tmp_path / "file" / "users.toml"),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[users.anna]\npassword = " + HASH, "no TOML at line 2, column 12"),
        ("[users.anna", "no TOML"),
        (f"[user.anna]\npassword = '{HASH}'", "has to hold .users.NAME. and nothing else"),
        ("users = 3", "has to hold .users.NAME. and nothing else"),
        ("[users]\nanna = 3", "user 'anna' is no table"),
        ("[users.local]", "'local' is no name of an account"),
        (f"[users.'{HASH}']", r"with '\$' is no name of an account"),
        ("[users.anna]", "the password of user 'anna' is no Argon2id hash"),
        ("[users.anna]\npassword = 'correct horse'", "the password of user 'anna' is no Argon2id"),
        (f"[users.anna]\npassword = '{HASH}'\nmay_writ = true", "unknown entry 'may_writ'"),
        (f"[users.anna]\npassword = '{HASH}'\n'{HASH}' = 1", r"unknown entry with '\$'"),
        (f"[users.anna]\npassword = '{HASH}'\nmay_write = 1", "may_write of user 'anna'"),
        (f"[users.anna]\npassword = '{HASH}'\nid = 'anna'", "the id of user 'anna' is not 32"),
        (f"[users.anna]\npassword = '{HASH}'\nlibraries = 'a'", "is no list of names"),
        (f"[users.anna]\npassword = '{HASH}'\nlibraries = ['../a']", "a name that no library has"),
        (f"[users.anna]\npassword = '{HASH}'\nkeys = ['a']", "the keys of user 'anna'"),
        (f"[users.anna]\npassword = '{HASH}'\nkeys.'a b' = ''", "a key with a wrong label"),
        (f"[users.anna]\npassword = '{HASH}'\nkeys.a = 'fl_secret'", "the key 'a' of user 'anna'"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_the_place_and_never_with_a_secret(
    file: Path, text: str, fault: str
) -> None:
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=fault) as caught:
        read_accounts(file)

    told = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
    assert repr(str(file)) in told
    assert not any(secret in told for secret in ("argon2id$", "correct horse", "fl_secret"))


def test_what_is_no_utf_8_is_damaged(file: Path) -> None:
    file.write_bytes(b"\xff")

    with pytest.raises(ConfigError, match="it is not UTF-8"):
        read_accounts(file)


def test_accounts_are_changed_and_an_error_changes_nothing(file: Path) -> None:
    with changing_accounts(file) as accounts:
        accounts["anna"] = account("anna")
    with pytest.raises(KeyError), changing_accounts(file) as accounts:
        del accounts["anna"], accounts["ben"]
    with changing_accounts(file) as accounts:
        assert set(accounts) == {"anna"}


def test_two_commands_do_not_change_it_at_a_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users_file, "_WAIT", 0.0)
    with (
        filelock.FileLock(file.with_name("users.toml.lock")),
        pytest.raises(ConfigError, match="Another command is changing"),
        changing_accounts(file),
    ):
        pass
