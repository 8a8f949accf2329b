"""Accounts are as the file is now, and a damaged file lets nobody in."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from florilegium.errors import ConfigError
from florilegium.server import account_book
from florilegium.server.account_book import Users
from florilegium.server.keys import digest
from tests.unit.server.access_samples import ANNA_KEY, account, users_file, write_users


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return users_file(tmp_path)


def test_users_are_found_by_name_and_by_key(file: Path) -> None:
    users = Users(file)
    anna = users.account("anna")

    assert set(users.accounts()) == {"anna", "ben"}
    assert anna is not None
    assert users.user_of_key(digest(ANNA_KEY)) == anna.user
    assert users.account("carl") is None
    assert users.user_of_key(digest("fl_other")) is None


def test_the_hash_of_no_key_is_no_key(file: Path) -> None:
    assert Users(file).user_of_key(digest(b"")) is None


def test_a_change_counts_at_once(file: Path) -> None:
    users = Users(file)

    write_users(file, account("ben", key="fl_ben"))

    assert users.account("anna") is None
    assert users.user_of_key(digest(ANNA_KEY)) is None
    assert users.user_of_key(digest("fl_ben")) is not None


def test_the_file_is_read_only_when_it_has_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = Users(file)
    monkeypatch.setattr(account_book, "read_accounts", lambda _: pytest.fail("read again"))

    assert users.account("anna") is not None


def test_one_comparison_is_made_however_many_keys_there_are(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    write_users(file, *(account(f"user{n}", key=f"fl_{n}") for n in range(20)))
    users = Users(file)

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one is other

    monkeypatch.setattr(account_book, "same", compare)

    for key in ("fl_3", "fl_wrong"):
        users.user_of_key(digest(key))

    assert len(compared) == 2


@pytest.mark.parametrize("damage", ["", "[users.anna]"])
def test_a_file_that_is_damaged_later_lets_nobody_in_until_it_is_mended(
    file: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    users = Users(file)
    whole = file.read_text(encoding="utf-8")
    file.write_text(damage, encoding="utf-8") if damage else file.unlink()

    for _ in range(3):
        with pytest.raises(ConfigError):
            users.account("anna")
        with pytest.raises(ConfigError):
            users.user_of_key(digest(ANNA_KEY))
    file.write_text(whole, encoding="utf-8")

    assert users.account("anna") is not None
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1


def test_names_that_people_take_for_one_still_count_and_are_told_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_users(file, account("ben"), account("Ben", key="fl_ben"))

    users = Users(file)

    assert users.account("ben") is not None
    assert users.user_of_key(digest("fl_ben")) == account("Ben").user
    [told] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "'Ben' and 'ben'" in told.getMessage()


@pytest.mark.parametrize("text", [None, "[users.anna]"])
def test_a_server_does_not_start_without_its_accounts(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "u.toml").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError):
        Users(tmp_path / "u.toml")
