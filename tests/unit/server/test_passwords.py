"""Passwords are hashed by Argon2id, and one of nobody takes as long to refuse."""

from __future__ import annotations

import asyncio

import pytest

from florilegium.errors import ConfigError
from florilegium.server import passwords
from florilegium.server.passwords import PasswordChecks, hash_password, is_password_of


def test_a_password_is_known_by_its_hash_alone() -> None:
    hashed = hash_password("correct horse")

    assert hashed.startswith("$argon2id$")
    assert is_password_of(hashed, "correct horse")
    assert not is_password_of(hashed, "correct horsf")
    assert hashed != hash_password("correct horse")


def test_letters_count_however_they_are_typed() -> None:
    assert is_password_of(hash_password("caf\u00e9 au lait"), "cafe\u0301 au lait")


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
def test_a_password_of_a_wrong_length_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ConfigError, match="8 to 1024 characters") as caught:
        hash_password(password)

    assert not password or password not in str(caught.value)


def test_what_is_no_hash_fits_no_password() -> None:
    assert not is_password_of("no hash", "correct horse")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the hashes that were verified."""
    found: list[str] = []

    def verify(hashed: str, password: str) -> bool:
        found.append(hashed)
        return True

    monkeypatch.setattr(passwords, "is_password_of", verify)
    return found


def test_who_has_no_account_is_refused_after_the_same_work(verified: list[str]) -> None:
    checks = PasswordChecks()

    assert not asyncio.run(checks.check(None, "correct horse"))
    assert asyncio.run(checks.check("$argon2id$hers", "correct horse"))

    assert len(verified) == 2
    assert verified[0].startswith("$argon2id$")
    checks.close()


def test_an_endless_password_is_cut_before_it_is_hashed_and_wrong(verified: list[str]) -> None:
    checks = PasswordChecks()

    assert not asyncio.run(checks.check("$argon2id$hers", "x" * 2000))

    assert verified == ["$argon2id$hers"]
    checks.close()
