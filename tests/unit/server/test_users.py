"""Who may see and write what."""

from __future__ import annotations

from florilegium.server.users import KEY_USER, LOCAL_USER, User


def test_a_user_without_a_list_sees_every_library() -> None:
    assert User(name="anna").sees("flowers")


def test_a_user_with_a_list_sees_only_its_libraries() -> None:
    anna = User(name="anna", libraries=frozenset({"flowers"}))

    assert anna.sees("flowers")
    assert not anna.sees("stamps")


def test_who_is_at_this_machine_or_has_the_key_may_write() -> None:
    assert LOCAL_USER.may_write
    assert KEY_USER.may_write
    assert not User(name="anna").may_write


def test_chats_belong_to_the_account_and_not_to_its_name() -> None:
    assert LOCAL_USER.owner == "local"
    assert User(name="anna", id="ab").owner == User(name="berta", id="ab").owner == "#ab"
