"""`florilegium chat`: a conversation that keeps its history and its picture.

On a pipe each line of stdin is a question or a command; nothing is prompted for then.
"""

from __future__ import annotations

import re
import readline
import sys
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import typer

from florilegium.answers import Answer, Turn
from florilegium.cli import options
from florilegium.cli.ask import breaks_off, print_explanation, print_sources, write_events
from florilegium.cli.chat_filter import EXAMPLE, describe_filter, read_filter
from florilegium.cli.exit_codes import FAILED, OK, USAGE, exit_code
from florilegium.cli.hits import print_hits
from florilegium.cli.render import (
    is_interactive,
    print_line,
    reported_errors,
    show_error,
    talk,
)
from florilegium.errors import FlorilegiumError, InvalidQueryError
from florilegium.filters import Filter
from florilegium.library import Library

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic"}
)
PROMPT = "> "
COMMANDS = """\
/image PATH   attach a picture to the next question; so does dropping a file here,
              or writing @PATH in a question
/sources      what was found for the last answer
/explain      why it was found, and how sure that is
/quote        answer the last question by quoting, whatever chat model is set
/filter       what may be answered from. /filter --folder roses --since 2020-01-01
              answers from that only, /filter off from everything again
/new          forget the conversation; the filter stays
/help         this list
/quit         leave; so does Ctrl-D. Ctrl-C stops an answer."""

# An address such as me@rose.org has a letter before its "@"; Chinese has no space there.
_AT_PATH = re.compile(r"""(?<![A-Za-z0-9._%+-])@(?P<path>"[^"]+"|'[^']+'|(?:\\.|[^\s\\])+)""")
_QUOTES: Final = "\"'"
_OPENING: Final = "(\"'“‘（「『《"
_CLOSING: Final = ")\"'”’）」』》"
_PUNCTUATION: Final = "?.,;:!？。，；：！、"
_SUFFIXES: Final = "|".join(re.escape(suffix) for suffix in sorted(PICTURE_SUFFIXES))
# What a path without quotes may be followed by: a comma, a bracket, or Chinese words.
_PATH_AND_REST = re.compile(
    rf"(?P<open>[{re.escape(_OPENING)}]*)(?P<path>.+(?:{_SUFFIXES}))"
    r"(?!\.?[A-Za-z0-9_-])(?P<rest>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Question:
    text: str
    image: Path | None
    history: tuple[Turn, ...]
    where: Filter
    quote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a chat remembers.

    `where` says what may be answered from; `answer` is the last one, whose history holds all turns;
    `asked` is the last question, answered or not; `picture` goes with the next question;
    `exit_code` is that of the last error.
    """

    show_thumbnails: bool = True
    where: Filter = field(default_factory=Filter)
    answer: Answer | None = None
    asked: _Question | None = None
    picture: Path | None = None
    exit_code: int = OK


def chat(
    *,
    image: options.ImageOption = None,
    folder: options.FolderOption = None,
    kind: options.TypeOption = None,
    label: options.LabelOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    where: options.FieldOption = None,
    show_thumbnails: options.ThumbnailsOption = True,
    library: options.LibraryOption = None,
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Talk with the library; /help lists what can be typed.

    On a pipe each line of stdin is one question.
    """
    with reported_errors(debug=debug), options.open_library(library, settings) as opened:
        wanted = options.read_filter(
            folder=folder, kind=kind, label=label, since=since, until=until, where=where
        )
        conversation = Conversation(show_thumbnails=show_thumbnails, where=wanted)
        if is_interactive():
            # Its parts would be completed as file names of the working folder.
            readline.set_completer_delims(" \t\n@")
            talk(f"Library {str(opened.root)!r}. Ask away; /help lists the commands.")
            if not wanted.is_empty:
                _tell_filter(wanted)
        if image is not None:
            conversation = _attach(conversation, str(image))
        while (line := _read_line()) is not None:
            following = reply(opened, conversation, line.strip())
            if following is None:
                break
            conversation = following
        if not is_interactive() and conversation.exit_code:
            raise typer.Exit(conversation.exit_code)


def reply(library: Library, conversation: Conversation, line: str) -> Conversation | None:
    """Do what a line says, and return the conversation after it; None means to leave."""
    command, _, argument = line.partition(" ")
    match command:
        case "/quit" | "/exit":
            return None
        case "/help":
            talk(COMMANDS)
        case "/new":
            talk("(a new conversation)")
            return replace(conversation, answer=None, asked=None, picture=None)
        case "/filter":
            return _filter(conversation, argument.strip())
        case "/image":
            return _attach(conversation, argument)
        case "/sources" | "/explain":
            _show(library, conversation, explain=command == "/explain")
        case "/quote":
            return _quote(library, conversation)
        case _ if re.fullmatch(r"/[a-z]+", command):
            talk(f"There is no command {command!r}; /help lists them.")
        case _ if dropped_picture(line):
            return _attach(conversation, line)
        case _:
            return _answer(library, conversation, line)
    return conversation


def dropped_picture(line: str) -> Path | None:
    """Return the picture file whose path is the whole line, or None."""
    file = _to_path(line)
    return file if file.suffix.lower() in PICTURE_SUFFIXES and _is_file(file) else None


def split_picture(line: str) -> tuple[str, Path | None]:
    """Return a question without its `@path`, and the picture that this names.

    Raises:
        InvalidQueryError: What is called like a picture is no file.
    """
    for match in _AT_PATH.finditer(line):
        before, path, after = line[: match.start()], match["path"], line[match.end() :]
        known = None if path[0] in _QUOTES else _PATH_AND_REST.fullmatch(path)
        if known and (path[-1] in _QUOTES or dropped_picture(path) is None):
            before, path, after = before + known["open"], known["path"], known["rest"] + after
        file = _to_path(path)
        if file.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        if not _is_file(file):
            raise InvalidQueryError(
                f"There is no file {str(file)!r}.",
                hint='Mend the path; one with spaces stands in quotes: @"my rose.jpg".',
            )
        return _close_gap(before, after), file
    return line, None


def _close_gap(before: str, after: str) -> str:
    """Return a question from which a path was taken, without brackets that stood round it."""
    if before and after and before[-1] in _OPENING and after[0] in _CLOSING:
        before, after = before[:-1], after[1:]
    if after.startswith(tuple(_PUNCTUATION + _CLOSING)):
        before = before.rstrip()
    return " ".join(f"{before}{after}".split()).lstrip(_PUNCTUATION + " ")


def _read_line() -> str | None:
    if not is_interactive():
        return sys.stdin.readline() or None
    while True:
        try:
            return input(PROMPT)
        except EOFError:
            talk("")
            return None
        except KeyboardInterrupt:
            talk("\n(Ctrl-D or /quit leaves)")


def _answer(library: Library, conversation: Conversation, line: str) -> Conversation:
    try:
        question, picture = split_picture(line)
    except InvalidQueryError as error:
        # Nothing was asked, so what is attached stays so.
        show_error(error, as_json=False)
        return replace(conversation, exit_code=exit_code(error))
    picture = picture or conversation.picture
    if not question and picture is None:
        return conversation
    history = conversation.answer.history if conversation.answer else ()
    asked = _Question(text=question, image=picture, history=history, where=conversation.where)
    return _ask(library, conversation, asked)


def _ask(library: Library, conversation: Conversation, question: _Question) -> Conversation:
    try:
        answer = _write(library, question)
    except FlorilegiumError as error:
        show_error(error, as_json=False)
        return replace(conversation, asked=question, picture=None, exit_code=exit_code(error))
    except KeyboardInterrupt:
        talk("\n(stopped)")
        return replace(conversation, asked=question)
    code = FAILED if breaks_off(answer) else conversation.exit_code
    after = replace(conversation, asked=question, answer=answer, picture=None, exit_code=code)
    return _show_answer(library, after, answer)


def _show_answer(library: Library, conversation: Conversation, answer: Answer) -> Conversation:
    # The answer is finished: whatever happens here, the next question builds on it.
    try:
        print_sources(library, answer, show_thumbnails=conversation.show_thumbnails)
        print_line()
    except FlorilegiumError as error:
        show_error(error, as_json=False)
        return replace(conversation, exit_code=exit_code(error))
    except KeyboardInterrupt:
        talk("\n(stopped)")
    return conversation


def _write(library: Library, question: _Question) -> Answer:
    events = library.stream(
        question.text,
        image=question.image,
        history=question.history,
        quote=question.quote,
        where=question.where,
    )
    try:
        return write_events(events, question=question.text)
    finally:
        # After Ctrl-C the model must stop, too: a generator that is closed stops it.
        if isinstance(events, Generator):
            events.close()


def _attach(conversation: Conversation, path: str) -> Conversation:
    if not path.strip():
        name = conversation.picture.name if conversation.picture else "no picture"
        talk(f"({name} goes with the next question; /image PATH attaches another)")
        return conversation
    file = _to_path(path)
    if not _is_file(file):
        talk(f"There is no file {str(file)!r}.")
        return replace(conversation, exit_code=USAGE)
    talk(f"({file.name} goes with the next question; Enter alone asks what it shows)")
    return replace(conversation, picture=file)


def _filter(conversation: Conversation, argument: str) -> Conversation:
    if argument:
        try:
            where = Filter() if argument == "off" else read_filter(argument)
        except InvalidQueryError as error:
            show_error(error, as_json=False)
            return replace(conversation, exit_code=exit_code(error))
        conversation = replace(conversation, where=where)
    _tell_filter(conversation.where)
    return conversation


def _tell_filter(where: Filter) -> None:
    if where.is_empty:
        talk(f"(answers come from the whole library; /filter {EXAMPLE} narrows that)")
    else:
        talk(f"(answers come only from {describe_filter(where)})")


def _show(library: Library, conversation: Conversation, *, explain: bool) -> None:
    if conversation.answer is None:
        talk("(nothing was asked yet)")
        return
    if explain:
        print_explanation(conversation.answer)
        return
    turn = conversation.answer.history[-1]
    print_hits(
        library,
        conversation.answer.hits,
        query=turn.question,
        show_thumbnails=conversation.show_thumbnails,
    )


def _quote(library: Library, conversation: Conversation) -> Conversation:
    """Ask the last question again, answered or not, of the model that only quotes."""
    if conversation.asked is None:
        talk("(nothing was asked yet)")
        return conversation
    return _ask(library, conversation, replace(conversation.asked, quote=True))


def _to_path(text: str) -> Path:
    # Terminals drop files quoted, with characters escaped, or as a file URL.
    bare = text.strip().strip(_QUOTES)
    if bare.startswith("file://"):
        return Path(unquote(bare.removeprefix("file://")))
    as_typed = _expand_home(bare)
    return as_typed if _is_file(as_typed) else _expand_home(re.sub(r"\\(.)", r"\1", bare))


def _expand_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)  # "~" before something else than a user


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # longer than names can be: a question, not a path
