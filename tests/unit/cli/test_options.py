from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.cli.options import open_library, parse_overrides
from florilegium.errors import ConfigError, IndexNotFoundError


def test_no_overrides_are_an_empty_mapping() -> None:
    assert parse_overrides(None) == {}


def test_an_override_is_split_at_its_first_equals_sign() -> None:
    assert parse_overrides(["chat.persona=a=b"]) == {"chat.persona": "a=b"}


def test_spaces_around_key_and_value_do_not_count() -> None:
    assert parse_overrides([" retrieval.top_k = 3 "]) == {"retrieval.top_k": "3"}


def test_the_last_of_two_overrides_of_one_key_wins() -> None:
    assert parse_overrides(["chat.name=a", "chat.name=b"]) == {"chat.name": "b"}


def test_texts_with_commas_are_a_list_where_one_belongs() -> None:
    overrides = parse_overrides(["server.allowed_hosts=a,b", "chat.persona=a,b"])

    assert overrides == {"server.allowed_hosts": ["a", "b"], "chat.persona": "a,b"}


def test_a_value_in_brackets_is_a_list() -> None:
    assert parse_overrides(['ingest.exclude=["a", "b"]']) == {"ingest.exclude": ["a", "b"]}


def test_a_value_in_quotes_loses_them() -> None:
    assert parse_overrides(['chat.persona="a = b"']) == {"chat.persona": "a = b"}


@pytest.mark.parametrize("pair", ["retrieval.top_k", "=3", " =3"])
def test_an_override_without_key_or_value_is_refused_by_name(pair: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form") as caught:
        parse_overrides([pair])

    assert repr(pair) in caught.value.message


def test_a_list_that_is_not_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        parse_overrides(["ingest.exclude=[a"])


def test_the_library_is_found_from_a_folder_within_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")

    with open_library(None, ["store.name=memory"]) as library:
        assert library.root.resolve() == folder.resolve()


def test_an_override_reaches_the_settings_with_its_origin(folder: Path) -> None:
    with open_library(folder, ["retrieval.top_k=3"]) as library:
        assert library.settings.config.retrieval.top_k == 3
        assert library.settings.origins["retrieval.top_k"] == "flag"


def test_outside_of_any_library_there_is_none_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(IndexNotFoundError):
        open_library(None, None)
