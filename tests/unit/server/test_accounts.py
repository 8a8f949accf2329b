"""An account has a name that can be written and told apart, and shows no hash."""

from __future__ import annotations

import pytest

from florilegium.errors import ConfigError
from florilegium.server.accounts import check_label, check_new_name, check_user_name, names_alike
from tests.unit.server.access_samples import ANNA_KEY, account


@pytest.mark.parametrize("name", ["anna", "Anna-2", "anna.b@example.org", "张三", "x" * 64])
def test_a_name_may_be_of_any_language(name: str) -> None:
    check_user_name(name)
    check_label(name)


@pytest.mark.parametrize(
    "name",
    ["", "a b", "_a", "-a", "a/b", "a\n", "x" * 65, "cafe\u0301", "\uff41nna", "a$", "a\u202eb"],
)  # fmt: skip
def test_a_name_that_looks_like_another_or_like_markup_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of an account"):
        check_user_name(name)
    with pytest.raises(ConfigError, match="cannot be the label of a key"):
        check_label(name)


@pytest.mark.parametrize("name", ["local", "key"])
def test_names_of_users_without_an_account_are_kept_back(name: str) -> None:
    with pytest.raises(ConfigError, match="stands for users without one"):
        check_user_name(name)


@pytest.mark.parametrize(
    ("name", "other"),
    [("Ben", "ben"), ("BEN", "ben"), ("STRASSE", "straße"), ("ΣΑΣ", "σας"), ("KEY", "key")],
)
def test_a_name_that_people_take_for_another_is_refused(name: str, other: str) -> None:
    with pytest.raises(ConfigError, match=f"would take it for '{other}'"):
        check_new_name(name, ["anna", "ben", "straße", "σας"])


def test_a_name_that_is_there_is_said_to_be() -> None:
    check_new_name("bea", ["ben"])
    with pytest.raises(ConfigError, match="There is a user 'ben' already"):
        check_new_name("ben", ["ben"])


def test_names_alike_are_found_among_those_that_are_there() -> None:
    assert names_alike(["ben", "anna", "Ben", "straße", "BEN", "Strasse"]) == [
        ["BEN", "Ben", "ben"],
        ["Strasse", "straße"],
    ]
    assert names_alike(["ben", "anna"]) == []


def test_an_account_shows_no_hash() -> None:
    one = account("anna", key=ANNA_KEY)

    assert one.password not in repr(one)
    assert one.keys["laptop"] not in repr(one)
