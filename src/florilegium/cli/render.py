"""The two streams: stdout carries data, stderr carries talk. Knows no command and no library.

Texts and file names come from anywhere, so control characters, which could drive the terminal,
never reach it.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from florilegium.cli.exit_codes import FAILED, INTERRUPTED, exit_code
from florilegium.errors import FlorilegiumError

PIPE_WIDTH = 120
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_BREAK = re.compile(r"[\t\n]")


def data_console() -> Console:
    """Return the console of stdout."""
    return _console(stderr=False)


def talk_console() -> Console:
    """Return the console of stderr."""
    return _console(stderr=True)


def is_interactive() -> bool:
    """Return whether a person types at stdin."""
    return sys.stdin.isatty()


def clean(text: str) -> str:
    """Return `text` with control characters and direction overrides made visible as `\ufffd`."""
    return _CONTROL.sub("\ufffd", text)


def in_units(size: int) -> str:
    """Return a number of bytes in the unit that reads best."""
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size} bytes"


def clean_name(name: str) -> str:
    """Return a name of a file as `clean` does, on one line."""
    return _BREAK.sub("\ufffd", clean(name))


def make_table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the one style that all commands use."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        show_edge=False,
        padding=(0, 1),
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Write a table to stdout."""
    data_console().print(table, "")


def print_json(data: object) -> None:
    """Write data to stdout as JSON."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def print_line(text: str | Text = "") -> None:
    """Write a line to stdout, wrapped at the width of the terminal."""
    line = Text(clean(text)) if isinstance(text, str) else text
    data_console().print(line, soft_wrap=not sys.stdout.isatty())


def talk(message: str | Text) -> None:
    """Write a line for the person at the terminal to stderr."""
    line = Text(clean(message)) if isinstance(message, str) else message
    talk_console().print(line, soft_wrap=True)


def show_error(error: FlorilegiumError, *, as_json: bool) -> None:
    """Write an error to stderr, as JSON if data was asked for so; stdout stays data."""
    if as_json:
        body = {"code": error.code or "unexpected", "message": error.message, "hint": error.hint}
        sys.stderr.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
        return
    talk(Text.assemble(("error: ", "bold red"), clean(error.message)))
    if error.hint:
        talk(Text.assemble(("hint: ", "bold cyan"), clean(error.hint)))


@contextmanager
def reported_errors(*, debug: bool, as_json: bool = False) -> Iterator[None]:
    """Turn what a command raises into a message on stderr and an exit code."""
    try:
        yield
    except FlorilegiumError as error:
        if debug:
            traceback.print_exc()
        show_error(error, as_json=as_json)
        raise typer.Exit(exit_code(error)) from error
    except KeyboardInterrupt as error:
        talk("stopped")
        raise typer.Exit(INTERRUPTED) from error
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    # A defect of ours or of a backend: users get a sentence, and the traceback on request.
    except Exception as error:
        if debug:
            traceback.print_exc()
        show_error(_unexpected(error), as_json=as_json)
        raise typer.Exit(FAILED) from error


def _unexpected(error: Exception) -> FlorilegiumError:
    return FlorilegiumError(
        f"Unexpected {type(error).__name__}: {error}",
        hint="Run it again with --debug and report what it prints.",
    )


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # Rich takes 80 columns for a pipe, which cuts tables for no reason.
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False)


class TokenWriter:
    """Writes text that comes in pieces to stdout, broken at words on a terminal.

    A pipe gets the pieces as they are. Close it with `end`, which finishes the line.
    """

    def __init__(self) -> None:
        self._width = data_console().width if sys.stdout.isatty() else 0
        self._column = 0
        self._word = ""
        self._ends_line = True

    def write(self, piece: str) -> None:
        """Write a piece; the last word waits until it is known to be whole."""
        for character in clean(piece):
            self._ends_line = character == "\n"
            if character.isspace():
                self._flush_word()
                self._write_space(character)
            elif cell_len(character) > 1:
                # Between wide characters a line may break, so none of them waits.
                self._flush_word()
                self._word = character
                self._flush_word()
            else:
                self._word += character
        if not self._width:
            self._flush_word()
        sys.stdout.flush()

    def end(self) -> None:
        """Write what waits, and end the line."""
        self._flush_word()
        if not self._ends_line:
            sys.stdout.write("\n")
        sys.stdout.flush()

    def _flush_word(self) -> None:
        cells = cell_len(self._word)
        if self._width and self._column and self._column + cells > self._width:
            sys.stdout.write("\n")
            self._column = 0
        sys.stdout.write(self._word)
        self._column += cells
        self._word = ""

    def _write_space(self, character: str) -> None:
        if character == "\n":
            self._column = 0
        elif self._width and self._column >= self._width - 1:
            return
        else:
            self._column += 1
        sys.stdout.write(character)
