"""The generated pages of the reference are current and complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from florilegium.cli.app import app
from florilegium.config_fields import describe_fields
from scripts.make_reference import COMMANDS, make_errors_page, make_pages


@pytest.mark.parametrize("file", make_pages(), ids=lambda file: file.name)
def test_a_generated_page_is_current(file: Path) -> None:
    assert file.exists(), "run scripts/make_reference.py"
    assert file.read_text(encoding="utf-8") == make_pages()[file], "run scripts/make_reference.py"


def test_every_command_is_on_its_page() -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009 (typed in newer versions only)
    top = {name for name, command in commands.items() if not command.hidden}

    assert {command.split()[0] for command in COMMANDS if command} == top


def test_every_setting_has_a_description() -> None:
    assert [key for key, _, _, description in describe_fields() if not description] == []


def test_every_error_code_is_on_its_page() -> None:
    page = make_errors_page()

    for code in ("config_invalid", "source_too_large", "index_locked", "input_unsupported"):
        assert f"`{code}`" in page
