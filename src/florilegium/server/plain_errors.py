"""Errors without what is nobody's business who asks from elsewhere: where files lie, who writes.

The log keeps what is taken out. Knows the wording of no error but that of the writers' lock.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from florilegium.answers import Event, Failed, Failure, Finished, Identification, Retrieved
from florilegium.errors import (
    FlorilegiumError,
    IndexLockedError,
    InvalidQueryError,
    ItemNotFoundError,
    RequestError,
)
from florilegium.serialize import Json
from florilegium.server.ingest_jobs import Job
from florilegium.server.served import Served

logger = logging.getLogger(__name__)

# These repeat what was asked for, and know no other path.
_OF_THE_REQUEST: Final = (InvalidQueryError, ItemNotFoundError, RequestError)
# As repr writes them: with a sign before a quotation mark only where the path has both kinds.
_QUOTED: Final = re.compile(
    r"""(['"])/(?:(?!\1)[^\\\n]|\\.)*/((?:(?!\1)[^\\/\n]|\\.)+)/?\1""",
)
_SIGN = r"(?:[^\s/'\"]|(?<=\w)'(?=\w))"
# A blank within a path comes neither after a mark of a sentence nor after the suffix of a file.
_BLANK = r"(?<![,;:.!?)])(?<!\.\w{2})(?<!\.\w{3})(?<!\.\w{4})[ ]"
_BARE: Final = re.compile(rf"(?<![\w:/.…'\"-])/(?:{_SIGN}+(?:{_BLANK}{_SIGN}+){{0,5}}/)+({_SIGN}+)")
# A model in the settings that is a file or a folder, as `llama_cpp:~/models/rose.gguf`.
_OWN_MODEL: Final = re.compile(r"(\w+:)[/~].*?([^/]*)/?")
_SENTENCES: Final = frozenset({"message", "hint", "caption_problem"})
_LOCKED: Final = "Another program is writing to this library."
_WAIT: Final = "Wait until it has ended."


@contextmanager
def without_paths(served: Served) -> Iterator[None]:
    """Let errors that leave the block name a library by its name, and other files by theirs."""
    try:
        yield
    except _OF_THE_REQUEST:
        raise
    except FlorilegiumError as error:
        plain = plain_text(error.message, served)
        if plain != error.message:
            logger.warning("%s: %s", served.name, error.message)
        error.message = plain
        error.hint = None if error.hint is None else plain_text(error.hint, served)
        raise


def plain_text(text: str, served: Served) -> str:
    """Return a text in which no path of this machine is left."""
    root = str(served.library.root)
    inside = text.replace(root, served.name).replace(repr(root)[1:-1], served.name)
    return _without_folders(inside)


def plain_job(job: Job, served: Served) -> Job:
    """Return a run of ingest whose error says neither a path nor which process holds the lock."""
    if job.error is None:
        return job
    if job.error["code"] == IndexLockedError.code:
        return replace(job, error={**job.error, "message": _LOCKED, "hint": _WAIT})
    told = {
        key: plain_text(value, served) if isinstance(value, str) else value
        for key, value in job.error.items()
    }
    return replace(job, error=told)


def plain_report(report: Json) -> Json:
    """Return the report of a run of ingest whose sentences say no path of this machine."""
    return {name: _plain(name, value) for name, value in report.items()}


def _plain(name: str, value: object) -> object:
    if isinstance(value, str):
        return _without_folders(value) if name in _SENTENCES else value
    if isinstance(value, list):
        return [_plain(name, one) for one in value]
    return plain_report(value) if isinstance(value, dict) else value


def _without_folders(text: str) -> str:
    return _BARE.sub(r"…/\1", _QUOTED.sub(r"\1…/\2\1", text))


def plain_event(event: Event, served: Served) -> Event:
    """Return an event of an answer that says no path where it tells of an error."""
    match event:
        case Retrieved():
            return replace(event, identification=_plain_note(event.identification, served))
        case Failed():
            logger.warning("%s: %s", served.name, event.failure.message)
            return replace(event, failure=_plain_failure(event.failure, served))
        case Finished(answer=answer):
            plain = replace(
                answer,
                identification=_plain_note(answer.identification, served),
                failure=None if answer.failure is None else _plain_failure(answer.failure, served),
                notes=tuple(plain_text(note, served) for note in answer.notes),
            )
            return replace(event, answer=plain)
    return event


def _plain_failure(failure: Failure, served: Served) -> Failure:
    own = _OWN_MODEL.fullmatch(failure.model)
    return replace(
        failure,
        model=f"{own[1]}{own[2]}" if own else failure.model,
        message=plain_text(failure.message, served),
        hint=None if failure.hint is None else plain_text(failure.hint, served),
    )


def _plain_note(found: Identification | None, served: Served) -> Identification | None:
    if found is None or found.note is None:
        return found
    return replace(found, note=plain_text(found.note, served))
