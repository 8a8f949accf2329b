"""Values of settings as they are written in variables, flags and files. Knows none by name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from florilegium.errors import ConfigError

A_LIST: Final = 'a list, such as ["a", "b"]'


def read_value(text: str, *, key: str, is_list: bool) -> object:
    """Return what was written for the setting `key`.

    A list is TOML in brackets, or its texts with commas between. Another value in double quotes is
    a string of TOML, any other is taken as it stands.

    Raises:
        ConfigError: It is not TOML where it looks like it.
    """
    text = text.strip()
    if is_list and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if not is_list and not text.startswith('"'):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        expected = A_LIST if is_list else 'a text, such as "a"'
        raise ConfigError(
            f"The setting {key!r} is not {expected}: what is written is not valid TOML.",
            hint='Write a list as ["a", "b"] or as a,b. In a shell, single quotes around it keep '
            "the double ones."
            if is_list
            else "Close the quotes, or leave both out.",
        ) from error


def write_settings(file: Path, values: Mapping[str, object]) -> None:
    """Write dotted keys and values as a settings file. Raises OSError."""
    lines = ["# Settings of this library; `florilegium config show` lists all of them."]
    top = {key: value for key, value in values.items() if "." not in key}
    lines += [f"{key} = {_toml_value(value)}" for key, value in top.items()]
    sections: dict[str, list[str]] = {}
    for key, value in values.items():
        if "." in key:
            section, _, name = key.partition(".")
            sections.setdefault(section, []).append(f"{name} = {_toml_value(value)}")
    for section, rows in sections.items():
        lines += ["", f"[{section}]", *rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml_value(value: object) -> str:
    # Strings, numbers, booleans and lists of them are written alike in JSON and TOML, but for one
    # control character that only TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
