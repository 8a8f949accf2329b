"""Values as they are written in variables, flags and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError
from florilegium.setting_values import read_value, write_settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("museum.example", ["museum.example"]),
        ("a, b ,c", ["a", "b", "c"]),
        ('["a", "b,c"]', ["a", "b,c"]),
        (" [ 'a' ] ", ["a"]),
        ("::1,10.0.0.0/8", ["::1", "10.0.0.0/8"]),
        ("[]", []),
        ("", []),
        (" , ", []),
    ],
)
def test_a_list_is_toml_or_texts_with_commas_between(text: str, value: list[str]) -> None:
    assert read_value(text, key="server.allowed_hosts", is_list=True) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("a, b", "a, b"), ('"a = b"', "a = b"), ("[a]", "[a]"), (" 3 ", "3"), ("it's", "it's")],
)
def test_another_value_stands_as_it_is_but_for_quotes_around_it(text: str, value: str) -> None:
    assert read_value(text, key="chat.persona", is_list=False) == value


@pytest.mark.parametrize(("text", "is_list"), [("[a", True), ("[a]", True), ('"a', False)])
def test_what_looks_like_toml_and_is_none_is_refused_without_repeating_it(
    text: str, is_list: bool
) -> None:
    with pytest.raises(ConfigError, match=r"'x\.y' is not a (list|text), such as") as caught:
        read_value(text + "SECRET", key="x.y", is_list=is_list)

    assert "SECRET" not in caught.value.message
    assert caught.value.hint


def test_a_written_file_groups_keys_by_section(tmp_path: Path) -> None:
    file = tmp_path / "out.toml"

    write_settings(file, {"encoder.name": "a", "profile": "offline", "encoder.threads": 2})

    assert file.read_text(encoding="utf-8").splitlines()[1:] == [
        'profile = "offline"',
        "",
        "[encoder]",
        'name = "a"',
        "threads = 2",
    ]


def test_a_file_with_no_values_is_a_comment(tmp_path: Path) -> None:
    write_settings(tmp_path / "out.toml", {})

    (line,) = (tmp_path / "out.toml").read_text(encoding="utf-8").splitlines()
    assert line.startswith("# ")
