from __future__ import annotations

import io
import json
import sys

import pytest
import typer

from florilegium.cli.render import (
    PIPE_WIDTH,
    TokenWriter,
    clean,
    clean_name,
    data_console,
    in_units,
    make_table,
    print_json,
    print_line,
    print_table,
    reported_errors,
    show_error,
    talk,
)
from florilegium.errors import ConfigError, FlorilegiumError, IndexMismatchError


class Terminal(io.StringIO):
    """What a program sees as a terminal."""

    def isatty(self) -> bool:
        return True


def test_control_characters_become_visible() -> None:
    assert clean("a\x1b[31mb\x07\r\u202ec") == "a\ufffd[31mb\ufffd\ufffd\ufffdc"


def test_tabs_newlines_and_chinese_stay_as_they_are() -> None:
    assert clean("一\t二\n三") == "一\t二\n三"


def test_a_pipe_is_wide_enough_for_tables() -> None:
    assert data_console().width == PIPE_WIDTH


def test_a_line_goes_to_stdout_and_brackets_are_no_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_line("see [1] and [bold]")

    assert capsys.readouterr() == ("see [1] and [bold]\n", "")


def test_a_long_line_is_not_broken_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("word " * 60)

    assert capsys.readouterr().out.count("\n") == 1


def test_talk_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    talk("three \x1bfiles")

    assert capsys.readouterr() == ("", "three \ufffdfiles\n")


def test_json_keeps_chinese_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": "茶"})

    assert capsys.readouterr().out == '{\n  "title": "茶"\n}\n'


def test_a_table_writes_all_of_a_long_path(capsys: pytest.CaptureFixture[str]) -> None:
    table = make_table("path")
    table.add_row("x" * 300)

    print_table(table)

    assert capsys.readouterr().out.count("x") == 300


def test_an_error_says_what_and_what_to_do_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(IndexMismatchError("Built with 'a'.", hint="Rebuild it."), as_json=False)

    assert capsys.readouterr() == ("", "error: Built with 'a'.\nhint: Rebuild it.\n")


def test_an_error_without_a_hint_has_no_hint_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(ConfigError("Wrong."), as_json=False)

    assert capsys.readouterr().err == "error: Wrong.\n"


def test_an_error_as_json_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(ConfigError("Wrong.", hint="Mend it."), as_json=True)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert json.loads(err) == {
        "error": {"code": "config_invalid", "message": "Wrong.", "hint": "Mend it."}
    }


def test_an_error_of_ours_becomes_its_exit_code() -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors(debug=False):
        raise ConfigError("Wrong.")

    assert caught.value.exit_code == 2


def test_there_is_no_traceback_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported_errors(debug=False):
        raise FlorilegiumError("Wrong.")

    assert capsys.readouterr().err == "error: Wrong.\n"


def test_debug_shows_the_traceback_and_then_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported_errors(debug=True):
        raise FlorilegiumError("Wrong.")

    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("error: Wrong.\n")


def test_a_defect_is_told_in_a_sentence_with_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors(debug=False):
        raise ZeroDivisionError("by zero")

    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == (
        "error: Unexpected ZeroDivisionError: by zero\n"
        "hint: Run it again with --debug and report what it prints.\n"
    )


def test_a_defect_as_json_has_a_code_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported_errors(debug=False, as_json=True):
        raise ZeroDivisionError("by zero")

    assert json.loads(capsys.readouterr().err)["error"]["code"] == "unexpected"


def test_ctrl_c_is_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors(debug=False):
        raise KeyboardInterrupt

    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_broken_pipe_passes_through_to_be_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenPipeError), reported_errors(debug=False):
        raise BrokenPipeError

    assert capsys.readouterr() == ("", "")


def test_an_exit_code_of_a_command_passes_through() -> None:
    with pytest.raises(typer.Exit) as caught, reported_errors(debug=False):
        raise typer.Exit(3)

    assert caught.value.exit_code == 3


def test_tokens_reach_a_pipe_unchanged_and_the_line_is_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    writer = TokenWriter()
    for piece in ("Water ", "it  we", "ekly.\n", "茶"):
        writer.write(piece)
    writer.end()

    assert capsys.readouterr().out == "Water it  weekly.\n茶\n"


def test_each_token_reaches_a_pipe_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    TokenWriter().write("Wat")

    assert capsys.readouterr().out == "Wat"


def test_a_line_that_is_ended_is_not_ended_twice(capsys: pytest.CaptureFixture[str]) -> None:
    writer = TokenWriter()
    writer.write("done\n")
    writer.end()

    assert capsys.readouterr().out == "done\n"


def test_words_are_not_torn_apart_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "12")
    writer = TokenWriter()
    for piece in ("water the da", "hlia well"):
        writer.write(piece)
    writer.end()

    assert terminal.getvalue() == "water the \ndahlia well\n"


def test_chinese_is_broken_between_its_wide_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "6")
    writer = TokenWriter()
    writer.write("木柱防潮")
    writer.end()

    assert terminal.getvalue() == "木柱防\n潮\n"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_500, "1.5 kB"),
        (2e6, "2.0 MB"),
        (1_535_824_768, "1.5 GB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_reads_best(size: int, words: str) -> None:
    assert in_units(int(size)) == words


def test_a_name_is_shown_on_one_line() -> None:
    assert clean_name("a\nb\tc\x1b\u2028") == "a\ufffdb\ufffdc\ufffd\ufffd"
