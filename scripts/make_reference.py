"""Write the generated pages of docs/reference: cli.md, config.md, errors.md and models.md.

`--check` writes nothing and exits with 1 if a page is not current.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from florilegium import errors
from florilegium.cli.app import app
from florilegium.cli.exit_codes import EXIT_CODES
from florilegium.config import CONFIG_NAME, ENVIRONMENT_PREFIX
from florilegium.config_fields import describe_fields
from florilegium.model_cards import ModelCard, read_cards
from florilegium.server.status_codes import STATUS_CODES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = (
    "",
    "init",
    "ingest",
    "search",
    "ask",
    "chat",
    "serve",
    "mcp",
    "eval",
    "eval run",
    "eval show",
    "eval make",
    "config",
    "config show",
    "doctor",
    "demo",
    "models",
    "models list",
    "models pull",
    "models verify",
    "models path",
    "models remove",
    "models bundle",
    "models export",
    "cache",
    "cache stats",
    "cache prune",
    "users",
    "users add",
    "users remove",
    "users list",
    "users key",
    "users revoke",
    "users password",
)
HEAD = "<!-- Made by scripts/make_reference.py; changes made here are lost. -->\n\n"

CLI_INTRO = """\
# The command line

stdout carries data, stderr carries talk: progress, hints and errors. So
`florilegium search tulip --json > hits.json` holds nothing but the hits.

- `--library PATH` names the library; by default it is the nearest folder upwards that has
  `.florilegium/`.
- `--set KEY=VALUE` overrides a [setting](config.md) for this run and may be given again. A list is
  written with commas, or as TOML: `--set 'ingest.exclude=["**/old/**"]'`.
- `--json` prints the data as JSON. An error is then one line on stderr,
  `{"error": {"code": …, "message": …, "hint": …}}`, and stdout stays empty.
- `--debug` shows the traceback of an error; without it there is none.

## Exit codes

| code | meaning |
|--:|---|
| 0 | all well; a question that the library does not answer is well too |
| 1 | something failed while it ran, or `doctor` found something wrong |
| 2 | the call, the settings or the set-up is wrong; the hint says what to do |
| 3 | finished, but some files failed; the report names them |
| 130 | stopped by Ctrl-C |

Which error has which code: [errors](errors.md).
"""
CONFIG_INTRO = f"""\
# Settings

Each value is the last of: the default, the user's `{CONFIG_NAME}`, the `{CONFIG_NAME}` of the
library, the environment, `--set`. `florilegium config show` prints each value and where it came
from.

A key `section.key` is `key` under `[section]` in the file, `{ENVIRONMENT_PREFIX}SECTION__KEY` in
the environment, and `--set section.key=value` on the command line. In the last two a list is
written as `a,b`, or as `["a", "b"]` where a text holds a comma. An unknown key or a value out of
range is an error that names the key and where it was set.

"""
ERRORS_INTRO = """\
# Errors

All are classes of `florilegium.errors` and have a `message`, a stable `code`, and mostly a `hint`
that says what to do. The exit code is that of the command line, the
status that of an HTTP answer. An error of a single file
(`SourceError` and below it) does not stop `ingest`: it is collected in the report, and the run
ends with exit code 3.

"""
MODELS_INTRO = """\
# Models that have a card

`florilegium models pull NAME` fetches one of these and prints the setting that uses it. A card
names only what was looked up; what it leaves out, the first pull records. Sizes are of what is
fetched.
"""
ENCODERS_INTRO = """\
## Encoders

They find pictures by texts and texts by pictures: [how to use CLIP](../how-to/use-clip.md). Numbers
are per cent, from the tables that are named under them, and were measured by others with the
original weights. Sizes are of fp32.
"""
CHAT_MODELS_INTRO = """\
## Chat models

They read the question, the texts and the pictures that were found, and write the answer. `kind` is
the backend that opens them. Files in GGUF are quantized, and come with the projector that reads
pictures.
"""
RERANKERS_INTRO = """\
## Rerankers

They read a query and a text together: [rerank](../how-to/rerank.md). Sizes are of fp32.
"""


def main() -> None:
    """Write the pages, or check that they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [file for file, text in make_pages().items() if _read(file) != text]
    if check:
        for file in stale:
            print(f"{file.relative_to(ROOT)} is not current", file=sys.stderr)
        sys.exit(1 if stale else 0)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for file, text in make_pages().items():
        file.write_text(text, encoding="utf-8")


def make_pages() -> dict[Path, str]:
    """Return the text of each generated page, by file."""
    return {
        REFERENCE / "cli.md": make_cli_page(),
        REFERENCE / "config.md": make_config_page(),
        REFERENCE / "errors.md": make_errors_page(),
        REFERENCE / "models.md": make_models_page(),
    }


def render_help(command: str) -> str:
    """Return what `florilegium COMMAND --help` prints, 80 columns wide."""
    result = CliRunner().invoke(
        app,
        [*command.split(), "--help"],
        prog_name="florilegium",
        env={"COLUMNS": "80"},
        catch_exceptions=False,
    )
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


def make_cli_page() -> str:
    """Return the page of the commands."""
    parts = [HEAD + CLI_INTRO]
    for command in COMMANDS:
        name = f"florilegium {command}".strip()
        parts.append(f"## `{name}`\n\n```text\n{render_help(command)}```\n")
    return "\n".join(parts)


def make_config_page() -> str:
    """Return the page of the settings."""
    rows = ["| key | type | default | what it is |", "|---|---|---|---|"]
    for key, kind, default, description in describe_fields():
        shown = f"`{default}`" if default else ""
        rows.append(f"| `{key}` | {kind} | {shown} | {description} |")
    return HEAD + CONFIG_INTRO + "\n".join(rows) + "\n"


def make_errors_page() -> str:
    """Return the page of the errors."""
    rows = ["| class | code | meaning | exit | HTTP |", "|---|---|---|--:|--:|"]
    for depth, kind in _walk(errors.FlorilegiumError):
        indent = "&nbsp;&nbsp;" * depth
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        code = f"`{kind.code}`" if kind.code else ""
        numbers = f"{EXIT_CODES[kind]} | {STATUS_CODES[kind]}"
        rows.append(f"| {indent}`{kind.__name__}` | {code} | {meaning} | {numbers} |")
    return HEAD + ERRORS_INTRO + "\n".join(rows) + "\n"


def make_models_page() -> str:
    """Return the page of the model cards."""
    cards = read_cards()
    encoders = [card for card in cards if card.encoder]
    chat_models = [card for card in cards if card.chat_model]
    rerankers = [card for card in cards if card.reranker]
    rows = ["", "## Where they come from"]
    for card in cards:
        rows += ["", f"### `{card.name}`", "", *_card_lines(card)]
    parts = [
        MODELS_INTRO,
        ENCODERS_INTRO,
        *_encoder_rows(encoders),
        "",
        CHAT_MODELS_INTRO,
        *_rows_of_kinds(chat_models),
        "",
        RERANKERS_INTRO,
        *_rows_of_kinds(rerankers),
        *rows,
    ]
    return HEAD + "\n".join(parts) + "\n"


def _encoder_rows(cards: list[ModelCard]) -> list[str]:
    tasks = list(dict.fromkeys(number.task for card in cards for number in card.numbers))
    rows = [_row("name", "model", "size", "dim", "languages", *tasks)]
    rows += ["|---|---|--:|--:|---|" + "--:|" * len(tasks)]
    for card in cards:
        values = {number.task: f"{number.value:g}" for number in card.numbers}
        numbers = [values.get(task, "") for task in tasks]
        rows.append(_row(*_card_cells(card, str(card.dim or "")), *numbers))
    sources = sorted({number.source for card in cards for number in card.numbers})
    return [*rows, "", f"Sources: {'; '.join(sources)}."]


def _rows_of_kinds(cards: list[ModelCard]) -> list[str]:
    rows = [_row("name", "model", "size", "kind", "languages"), "|---|---|--:|---|---|"]
    return rows + [_row(*_card_cells(card, f"`{card.kind}`")) for card in cards]


def _card_cells(card: ModelCard, more: str) -> list[str]:
    size = f"{card.size / 1e9:.2f} GB" if card.size else ""
    return [f"`{card.name}`", card.title, size, more, ", ".join(card.languages)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _card_lines(card: ModelCard) -> list[str]:
    licence = ". ".join(part for part in (card.licence, card.licence_note) if part)
    revision = f"`{card.revision}`" if card.revision else "the newest at the first pull"
    return [
        card.about,
        "",
        f"- setting `{card.setting}`",
        f"- repository `{card.source}`, revision {revision}",
        f"- licence: {licence.rstrip('.')}.",
    ]


def _walk(
    kind: type[errors.FlorilegiumError], depth: int = 0
) -> Iterator[tuple[int, type[errors.FlorilegiumError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        # Tests make subclasses of their own, which are nobody else's business.
        if child.__module__ == errors.__name__:
            yield from _walk(child, depth + 1)


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


if __name__ == "__main__":
    main()
