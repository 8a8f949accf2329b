"""What every error carries. That the tree is whole is checked in tests/architecture."""

from __future__ import annotations

import pickle

import pytest

from florilegium.errors import (
    ConfigError,
    EncoderError,
    FileTooLargeError,
    FlorilegiumError,
    IndexLockedError,
    SourceError,
    StoreError,
    UnknownBackendError,
    WeightsNotFoundError,
)


def test_a_hint_is_optional() -> None:
    assert StoreError("It broke.").hint is None


def test_a_hint_is_given_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        StoreError("It broke.", "Mend it.")  # type: ignore[call-arg]  # that it is refused is the point


@pytest.mark.parametrize(
    ("kind", "wider"),
    [
        (FileTooLargeError, SourceError),
        (WeightsNotFoundError, EncoderError),
        (IndexLockedError, StoreError),
        (UnknownBackendError, ConfigError),
        (ConfigError, FlorilegiumError),
    ],
)
def test_who_catches_the_wider_error_catches_the_narrower(
    kind: type[FlorilegiumError], wider: type[FlorilegiumError]
) -> None:
    with pytest.raises(wider) as caught:
        raise kind("It broke.")

    assert caught.value.code == kind.code != wider.code


def test_a_failure_of_one_file_is_not_taken_for_one_of_the_index() -> None:
    assert not issubclass(SourceError, StoreError)
    assert not issubclass(StoreError, SourceError)


def test_an_error_comes_whole_out_of_another_process() -> None:
    error = pickle.loads(pickle.dumps(StoreError("It broke.", hint="Mend it.")))

    assert type(error) is StoreError
    assert (error.message, error.hint, error.code) == ("It broke.", "Mend it.", "store_failed")
