from __future__ import annotations

from collections.abc import Iterator

from florilegium.cli.exit_codes import EXIT_CODES, exit_code
from florilegium.errors import (
    ChatTimeoutError,
    ConfigError,
    FlorilegiumError,
    IndexLockedError,
    StoreError,
    UnreadableFileError,
)


def _walk(kind: type[FlorilegiumError]) -> Iterator[type[FlorilegiumError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)


def test_every_error_of_the_tree_has_a_row_of_its_own() -> None:
    tree = {kind for kind in _walk(FlorilegiumError) if kind.__module__ == "florilegium.errors"}

    assert set(EXIT_CODES) == tree


def test_every_exit_code_is_one_of_the_three_documented_ones() -> None:
    assert set(EXIT_CODES.values()) == {1, 2, 3}


def test_a_wrong_setting_is_the_users_to_mend() -> None:
    assert exit_code(ConfigError("x")) == 2


def test_a_lock_is_a_failure_though_other_store_errors_differ() -> None:
    assert exit_code(IndexLockedError("x")) == 1


def test_a_bad_file_is_a_partial_success() -> None:
    assert exit_code(UnreadableFileError("x")) == 3


def test_a_chat_timeout_is_a_failure() -> None:
    assert exit_code(ChatTimeoutError("x")) == 1


def test_an_error_of_another_package_has_the_code_of_its_parent() -> None:
    class CloudStoreError(ConfigError, StoreError):
        code = "cloud"

    assert exit_code(CloudStoreError("x")) == 2
