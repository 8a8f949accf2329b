"""A conversation about a part of the library, told as on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import typer

from florilegium.cli.chat import Conversation, chat, reply
from florilegium.cli.chat_filter import OPTIONS, describe_filter, read_filter
from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter
from florilegium.library import Library
from tests.unit.cli.conftest import Run

CHAT = ("--set", "chat.name=fake", "--set", "chat.min_confidence=0")
TEXTS = Filter(suffixes=("txt",))


def _next(library: Library, conversation: Conversation, line: str) -> Conversation:
    following = reply(library, conversation, line)
    assert following is not None
    return following


def _suffixes(conversation: Conversation) -> set[str]:
    assert conversation.answer is not None
    return {Path(hit.item.source.path).suffix for hit in conversation.answer.hits}


def test_all_options_are_read_and_written_alike() -> None:
    text = (
        "--folder roses --folder 'my roses' --type jpg --label 蔷薇 --since 2020-01-01 "
        "--until 2021-12-31 --where 'creator=Ana B'"
    )
    where = Filter(
        folders=("roses", "my roses"),
        suffixes=("jpg",),
        labels=("蔷薇",),
        since=date(2020, 1, 1),
        until=date(2021, 12, 31),
        fields=(("creator", "Ana B"),),
    )

    assert read_filter(text) == where
    assert read_filter(describe_filter(where)) == where
    assert describe_filter(Filter()) == ""
    assert read_filter("") == Filter()


def test_a_value_may_stand_behind_an_equals_sign() -> None:
    assert read_filter("--type=jpg --where=a=b=c") == Filter(
        suffixes=("jpg",), fields=(("a", "b=c"),)
    )


def test_of_two_days_the_last_counts_as_on_the_command_line() -> None:
    assert read_filter("--since 2020-01-01 --since 2021-01-01").since == date(2021, 1, 1)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("roses", "'roses'"),
        ("--top-k 3", "'--top-k'"),
        ("--type", "--type"),
        ("--folder 'my roses", "cannot be read"),
        ("--since soon", "'soon'"),
        ("--folder ../other", "'../other'"),
        ("--where creator", "'creator'"),
    ],
)
def test_anything_else_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        read_filter(text)

    assert named in caught.value.message
    assert caught.value.hint


def test_the_filters_of_a_chat_are_those_of_the_command() -> None:
    app = typer.Typer(add_completion=False)
    app.command()(chat)
    given = {name for one in typer.main.get_command(app).params for name in one.opts}

    assert set(OPTIONS) == given - {
        "--image", "--thumbnails", "--library", "--set", "--debug"
    }  # fmt: skip


def test_a_filter_holds_until_another_one_is_set(library: Library) -> None:
    narrowed = _next(library, Conversation(), "/filter --type txt")
    first = _next(library, narrowed, "Where does the poppy grow?")
    second = _next(library, first, "And the gentian?")
    changed = _next(library, second, "/filter --type png")
    third = _next(library, changed, "What is red?")

    assert _suffixes(first) == _suffixes(second) == {".txt"}
    assert _suffixes(third) == {".png"}


def test_off_brings_the_whole_library_back(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    after = _next(library, Conversation(where=TEXTS), "/filter off")

    assert after == Conversation()
    assert capsys.readouterr().err.startswith("(answers come from the whole library; /filter ")
    assert _suffixes(_next(library, after, "What is red?")) == {".txt", ".png"}


def test_filter_alone_shows_it_and_changes_nothing(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = Conversation(where=TEXTS)

    assert _next(library, conversation, "/filter") == conversation
    assert capsys.readouterr().err == "(answers come only from --type txt)\n"


def test_a_filter_that_is_none_is_told_and_the_one_before_stays(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = Conversation(where=TEXTS)

    after = _next(library, conversation, "/filter --since soon")

    assert after == replace(conversation, exit_code=2)
    assert capsys.readouterr().err.startswith("error: The date 'soon'")


def test_a_new_conversation_keeps_the_filter(library: Library) -> None:
    asked = _next(library, Conversation(where=TEXTS), "What is red?")

    assert _next(library, asked, "/new") == Conversation(where=TEXTS)


def test_a_question_is_quoted_from_what_it_was_answered_from(library: Library) -> None:
    asked = _next(library, Conversation(where=TEXTS), "Where does the poppy grow?")
    widened = _next(library, asked, "/filter off")

    assert _suffixes(_next(library, widened, "/quote")) == {".txt"}


def test_a_chat_begins_with_the_filters_of_the_command_line(ingested: Run) -> None:
    lines = "/filter\nWhere does the poppy grow?\n"
    result = ingested("chat", "--type", "txt", "--folder", ".", *CHAT, stdin=lines)

    assert result.exit_code == 0
    assert "(answers come only from --folder . --type txt)" in result.stderr
    assert ".png" not in result.stdout


def test_a_wrong_filter_on_the_command_line_is_refused(ingested: Run) -> None:
    result = ingested("chat", "--since", "soon", *CHAT, stdin="What is red?\n")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "'soon'" in result.stderr
