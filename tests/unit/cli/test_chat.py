from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.cli.chat import Conversation, dropped_picture, reply, split_picture
from florilegium.errors import StoreError
from florilegium.library import Library
from tests.unit.cli.conftest import Run

CHAT = ("--set", "chat.name=fake", "--set", "chat.min_confidence=0")


def _next(library: Library, conversation: Conversation, line: str) -> Conversation:
    following = reply(library, conversation, line)
    assert following is not None
    return following


@pytest.mark.parametrize("form", ["{}", " {} ", "'{}'", '"{}"', "file://{}"])
def test_a_dropped_picture_is_known_in_all_forms(folder: Path, form: str) -> None:
    file = folder / "poppy.png"

    assert dropped_picture(form.format(file)) == file


def test_a_dropped_path_with_escaped_spaces_is_known(tmp_path: Path) -> None:
    file = tmp_path / "my rose.jpg"
    file.write_bytes(b"")

    assert dropped_picture(str(file).replace(" ", "\\ ")) == file


@pytest.mark.parametrize("name", ["a (1) & b.jpg", "it's.jpg", "my\\rose.jpg", "100%20.jpg"])
def test_escaped_characters_of_a_dropped_path_are_known(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"")

    assert dropped_picture(re.sub(r"([ ()&'\\])", r"\\\1", str(file))) == file
    assert dropped_picture(str(file)) == file


@pytest.mark.parametrize("name", ["my rose.jpg", "玫瑰.jpg", "100%.jpg"])
def test_a_dropped_file_url_is_decoded(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"")

    assert dropped_picture(file.as_uri()) == file


@pytest.mark.parametrize("line", ["~10 roses", "~nobody at all.png", "rose " * 100 + ".png"])
def test_a_question_that_can_be_no_path_is_a_question(line: str) -> None:
    assert dropped_picture(line) is None


@pytest.mark.parametrize("line", ["what is a rose.jpg", "rose.jpg", "", "How?"])
def test_a_line_that_names_no_existing_picture_is_a_question(line: str) -> None:
    assert dropped_picture(line) is None


def test_a_text_file_is_no_picture(folder: Path) -> None:
    assert dropped_picture(str(folder / "poppy.txt")) is None


def test_a_picture_in_a_question_is_taken_out_of_it(folder: Path) -> None:
    file = folder / "poppy.png"

    assert split_picture(f"What is @{file} called?") == ("What is called?", file)


def test_a_picture_in_quotes_may_have_spaces(tmp_path: Path) -> None:
    file = tmp_path / "my rose.jpg"
    file.write_bytes(b"")

    assert split_picture(f'@"{file}" what is it?') == ("what is it?", file)


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("What is @q.png?", "What is?"),
        ("@q.png, what is it?", "what is it?"),
        ("what (@q.png) is", "what is"),
        ("what @(q.png) is", "what is"),
        ('what "@q.png" is', "what is"),
        ("It's @q.png: what is it?", "It's: what is it?"),
        ("@q.png?!", ""),
        ("What is '@q.png'?", "What is?"),
        ('What is @"q.png"?', "What is?"),
        ("Look (at @q.png). And?", "Look (at). And?"),
        ("这张@q.png是什么花？", "这张是什么花？"),
        ("@q.png。这是什么？", "这是什么？"),
    ],
)
def test_punctuation_round_a_picture_is_no_part_of_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, question: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "poppy.png").rename("q.png")

    assert split_picture(line) == (question, Path("q.png"))


def test_a_file_whose_name_ends_oddly_is_found_as_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("(a.png,b.png").write_bytes(b"")

    assert split_picture("@(a.png,b.png what?") == ("what?", Path("(a.png,b.png"))


def test_an_escaped_space_is_part_of_a_path(tmp_path: Path) -> None:
    file = tmp_path / "my rose.jpg"
    file.write_bytes(b"")

    assert split_picture("what is @" + str(file).replace(" ", "\\ ") + "?") == ("what is?", file)


@pytest.mark.parametrize(
    "line", ["@nope.png", "What is @nope.png?", 'What is @"nope.png"?', "(@NOPE.PNG)", "@nope.png."]
)
def test_a_picture_in_a_question_that_is_not_there_is_told_and_nothing_is_asked(
    library: Library, folder: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attached = Conversation(picture=folder / "poppy.png")

    conversation = _next(library, attached, line)

    out, err = capsys.readouterr()
    assert conversation == replace(attached, exit_code=2)
    assert out == ""
    assert err.lower().startswith("error: there is no file 'nope.png'.\nhint: ")


@pytest.mark.parametrize(
    "line", ["mail me@rose.jpg", "see @rose.jpg.txt", "see @home", "what is @?"]
)
def test_other_at_signs_stay_in_the_question(line: str) -> None:
    assert split_picture(line) == (line, None)


def test_an_answer_is_kept_for_the_next_question(library: Library) -> None:
    first = _next(library, Conversation(), "Where does the gentian grow?")
    second = _next(library, first, "And the poppy?")

    assert second.answer is not None
    assert [turn.question for turn in second.answer.history] == [
        "Where does the gentian grow?",
        "And the poppy?",
    ]


def test_a_picture_goes_with_one_question_and_stays_in_the_history(
    library: Library, folder: Path
) -> None:
    picture = folder / "poppy.png"
    attached = _next(library, Conversation(), f"/image {picture}")
    first = _next(library, attached, "What is this?")
    second = _next(library, first, "Where does it grow?")

    assert attached.picture == picture
    assert first.picture is None
    assert second.answer is not None
    assert second.answer.history[0].image is not None
    assert second.answer.hits[0].item.source.path.startswith("poppy")


@pytest.mark.parametrize(("error", "code"), [(StoreError("Gone."), 1), (KeyboardInterrupt(), 0)])
def test_an_answer_whose_sources_cannot_be_shown_is_kept(
    library: Library, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("florilegium.cli.chat.print_sources", failing)

    first = _next(library, Conversation(), "Where does the gentian grow?")

    assert first.answer is not None
    assert first.answer.history[0].question == "Where does the gentian grow?"
    assert first.exit_code == code


def test_enter_alone_asks_about_an_attached_picture(library: Library, folder: Path) -> None:
    attached = _next(library, Conversation(), str(folder / "poppy.png"))

    assert _next(library, attached, "").answer is not None


def test_enter_alone_without_a_picture_does_nothing(library: Library) -> None:
    conversation = Conversation()

    assert reply(library, conversation, "") is conversation


def test_a_picture_that_is_not_there_is_told(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = _next(library, Conversation(), "/image nowhere.png")

    assert (conversation.picture, conversation.exit_code) == (None, 2)
    assert capsys.readouterr().err == "There is no file 'nowhere.png'.\n"


def test_a_file_that_is_no_picture_is_told_and_the_chat_goes_on(
    library: Library, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attached = _next(library, Conversation(), f"/image {folder / 'poppy.txt'}")
    failed = _next(library, attached, "What is this?")

    assert (failed.picture, failed.exit_code) == (None, 2)
    assert "error: " in capsys.readouterr().err
    assert _next(library, failed, "Where does it grow?").answer is not None


def test_image_without_a_path_says_what_is_attached(
    library: Library, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _next(library, Conversation(picture=folder / "poppy.png"), "/image")

    assert capsys.readouterr().err.startswith("(poppy.png goes with the next question")


def test_new_forgets_answer_and_picture(library: Library, folder: Path) -> None:
    asked = _next(library, Conversation(), "Where does the gentian grow?")
    attached = _next(library, asked, f"/image {folder / 'poppy.png'}")

    assert _next(library, attached, "/new") == Conversation()


@pytest.mark.parametrize("line", ["/quit", "/exit"])
def test_quit_leaves(library: Library, line: str) -> None:
    assert reply(library, Conversation(), line) is None


def test_sources_lists_what_was_found(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    asked = _next(library, Conversation(), "Where does the blue gentian grow?")
    capsys.readouterr()

    _next(library, asked, "/sources")

    assert "gentian.txt" in capsys.readouterr().out


def test_explain_shows_the_lists_and_the_evidence(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _next(library, Conversation(), "Where does the blue gentian grow?")
    capsys.readouterr()

    _next(library, asked, "/explain")

    out = capsys.readouterr().out
    assert "What each list gave" in out
    assert "Evidence: " in out


@pytest.mark.parametrize("command", ["/sources", "/explain", "/quote"])
def test_before_any_question_there_is_nothing_to_show(
    library: Library, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _next(library, Conversation(), command)

    assert capsys.readouterr() == ("", "(nothing was asked yet)\n")


def test_quote_answers_the_last_question_again_in_place_of_its_answer(
    library: Library, folder: Path
) -> None:
    first = _next(library, Conversation(), "Where does the poppy grow?")
    second = _next(library, first, f"@{folder / 'poppy.png'} What is this?")

    quoted = _next(library, second, "/quote")

    assert second.answer is not None
    assert quoted.answer is not None
    assert (second.answer.model, quoted.answer.model) == ("fake", "extractive")
    assert [turn.question for turn in quoted.answer.history] == [
        "Where does the poppy grow?",
        "What is this?",
    ]
    assert quoted.answer.history[1].image is not None


def test_help_names_each_command(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    _next(library, Conversation(), "/help")

    words = capsys.readouterr().err.split()
    named = {"/image", "/sources", "/explain", "/quote", "/filter", "/new", "/help", "/quit"}
    assert named <= set(words)


def test_an_unknown_command_is_no_question(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = _next(library, Conversation(), "/sauces")

    assert conversation.answer is None
    assert "no command '/sauces'" in capsys.readouterr().err


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _next(library, Conversation(), "Where does the gentian grow?")
    capsys.readouterr()

    def interrupted(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "stream", interrupted)
    after = _next(library, asked, "And the poppy?")

    assert after.answer is asked.answer
    assert after.picture is asked.picture
    assert capsys.readouterr().err == "\n(stopped)\n"


def test_each_line_of_a_pipe_is_a_question(ingested: Run) -> None:
    result = ingested("chat", *CHAT, stdin="Where does the gentian grow?\nAnd the poppy?\n")

    assert result.exit_code == 0
    assert result.stdout.count("Confidence") == 2
    assert "> " not in result.stdout


def test_nothing_is_answered_after_quit(ingested: Run) -> None:
    result = ingested("chat", *CHAT, stdin="/quit\nWhere does the gentian grow?\n")

    assert (result.exit_code, result.stdout) == (0, "")


def test_an_error_on_a_pipe_is_the_exit_code_in_the_end(ingested: Run) -> None:
    result = ingested("chat", *CHAT, stdin="/image nowhere.png\nWhere does it grow?\n")

    assert result.exit_code == 2
    assert result.stdout.count("Confidence") == 1


def test_a_picture_can_be_attached_from_the_start(ingested: Run, folder: Path) -> None:
    result = ingested("chat", "--image", str(folder / "poppy.png"), *CHAT, stdin="\n")

    assert result.exit_code == 0
    assert "poppy.txt" in result.stdout or "poppy.png" in result.stdout


def test_quote_answers_the_question_that_was_stopped(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _next(library, Conversation(), "Where does the gentian grow?")

    def interrupted(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library, "stream", interrupted)
        stopped = _next(library, first, "Where does the poppy grow?")
    quoted = _next(library, stopped, "/quote")

    assert quoted.answer is not None
    assert quoted.answer.model == "extractive"
    assert [turn.question for turn in quoted.answer.history] == [
        "Where does the gentian grow?",
        "Where does the poppy grow?",
    ]


def test_quote_answers_a_first_question_whose_model_failed(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> Iterator[None]:
        raise StoreError("Gone.")

    with monkeypatch.context() as patch:
        patch.setattr(library, "stream", failing)
        failed = _next(library, Conversation(), "Where does the poppy grow?")
    quoted = _next(library, failed, "/quote")

    assert failed.answer is None
    assert quoted.answer is not None
    assert quoted.answer.history[0].question == "Where does the poppy grow?"
