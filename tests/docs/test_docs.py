"""Everything that users hold is documented, and every link of the pages leads somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

import florilegium
from florilegium import config_fields, errors
from florilegium.cli.app import app
from tests.conftest import ROOT
from tests.docs.pages import anchors_of, find_pages, links_of, name_of

PAGES = find_pages()
HISTORY = ROOT / "CHANGELOG.md"  # names what is gone as well, so it documents nothing


def _documentation() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page != HISTORY)


TEXT = _documentation()


def mentions(text: str, word: str) -> bool:
    """Return whether `word` stands in the text as a whole, not as a part of another word."""
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        full = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, full)
        else:
            yield full, command


COMMANDS = dict(_commands(typer.main.get_command(app), "florilegium"))  # type: ignore[arg-type]  # an app with commands is a group
FLAGS = sorted(
    {
        flag
        for command in COMMANDS.values()
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("--")
    }
)
KEYS = [row[0] for row in config_fields.describe_fields()]
CODES = sorted(
    value.code
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.FlorilegiumError) and value.code
)
EXTRAS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_documented(command: str) -> None:
    assert mentions(TEXT, command)


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_is_documented(flag: str) -> None:
    assert mentions(TEXT, flag)


@pytest.mark.parametrize("key", KEYS)
def test_each_setting_is_documented(key: str) -> None:
    assert f"`{key}`" in TEXT


@pytest.mark.parametrize("code", CODES)
def test_each_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in TEXT


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_is_documented(extra: str) -> None:
    assert f"florilegium[{extra}]" in TEXT


@pytest.mark.parametrize("name", sorted(getattr(florilegium, "__all__", ())))
def test_each_public_name_is_documented(name: str) -> None:
    assert mentions(TEXT, name)


@pytest.mark.parametrize("name", ["reliability.md", "security.md"])
def test_what_holds_a_promise_is_there(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)`", page))

    assert len(named) > 20
    assert {one for one in named if not (ROOT / one).is_file()} == set()


@pytest.mark.parametrize(
    "method", sorted(name for name in vars(florilegium.Library) if not name.startswith("_"))
)
def test_each_method_of_the_library_is_documented(method: str) -> None:
    assert re.search(rf"\b[Ll]ibrary\.{method}\b|`{method}\(", TEXT)


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("run `florilegium ask`", "florilegium ask", True),
        ("run `florilegium asking`", "florilegium ask", False),
        ("`--json-lines`", "--json", False),
        ("`--json`, `--top-k`", "--top-k", True),
        ("chat.top_k", "top_k", False),
    ],
)
def test_a_part_of_a_word_is_no_mention(text: str, word: str, found: bool) -> None:
    assert mentions(text, word) is found


def broken_links(page: Path) -> list[str]:
    """Return the links of a page to files or headings of the project that are not there."""
    broken = []
    for target in links_of(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (
            anchor and anchor not in anchors_of(file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# The `rose`: how?\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n\n[a](there.md) [b](there.md#the-rose-how) [c](#top) [d](https://example.org/x)\n"
        "[e](gone.md) [f](there.md#gone) [g](#gone) ![h](gone.png)\n\n"
        "```markdown\n[not a link](nowhere.md)\n```\n\n`[code](nowhere.md)`\n",
        encoding="utf-8",
    )

    assert broken_links(page) == ["gone.md", "there.md#gone", "#gone", "gone.png"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_page_has_one_title(page: Path) -> None:
    first = page.read_text(encoding="utf-8").lstrip().splitlines()[0]

    assert first.startswith(("# ", "<")), first


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != ROOT], ids=name_of)
def test_each_page_can_be_reached_by_a_link(page: Path) -> None:
    others = [other for other in PAGES if other != page]
    targets = {
        (other.parent / target.partition("#")[0]).resolve()
        for other in others
        for target in links_of(other.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target)
    }

    assert page.resolve() in targets


def test_the_source_tree_of_the_readme_names_each_file_once() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [tree] = [block for block in readme.split("```") if "    setting_values.py " in block]
    folders: list[str] = []
    named: list[str] = []
    for line in tree.splitlines():
        if found := re.match(r"( *)([\w./]+)", line):
            depth = len(found[1]) // 2
            folders[depth:] = [""] * (depth - len(folders)) + [found[2].rstrip("/")]
            named.append("/".join(part for part in folders if part))

    assert sorted(named) == sorted(set(named))
