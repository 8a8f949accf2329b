"""Machine captions: each picture that nobody has described is shown to the chat model, once.

The last stage of ingest. What comes of it is kept in the embedding cache at once, and joins the
cards of pictures at the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from florilegium.cache import CaptionRecord
from florilegium.config import Config
from florilegium.connect import connect, words_at_links
from florilegium.encode import picture_key
from florilegium.errors import (
    ChatError,
    ChatUnavailableError,
    ConfigError,
    FlorilegiumError,
    SourceError,
    UnsupportedFileError,
)
from florilegium.index import Index
from florilegium.machine_captions import (
    LONGEST_REPLY,
    PROBLEMS,
    Reading,
    caption_recipe,
    read_reply,
    wants_caption,
)
from florilegium.protocols import ChatModel, Loader
from florilegium.read_ahead import ReadAhead
from florilegium.report import FailedFile, IngestReport, Progress
from florilegium.scan import check_unchanged
from florilegium.streams import closing_stream
from florilegium.thinking import without_thoughts
from florilegium.types import ChatOptions, ImagePart, Item, Message, Modality, TextPart

logger = logging.getLogger(__name__)

_MOST_ERRORS: Final = 5
"""Errors of the chat model in a row after which it is given up: the next would fail as well."""

_LEAST_SIDE: Final = 1024  # pixels; chat models are shown no more
_BYTES_PER_PIXEL: Final = 4

Outcome: TypeAlias = Reading | SourceError | ChatError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A picture that lacks a caption, and in how many runs it was asked for."""

    key: str
    item: Item
    tried: int


class Captioning:
    """The last stage of one run of ingest."""

    def __init__(
        self,
        *,
        index: Index,
        config: Config,
        by_suffix: Mapping[str, Loader],
        open_chat_model: Callable[[], ChatModel],
        progress: Callable[[Progress], None] | None = None,
        abandon: Callable[[], None] | None = None,
    ) -> None:
        """Keep what is needed; nothing is read or asked yet.

        Args:
            index: What is written to, by the calling thread alone.
            config: All settings.
            by_suffix: Who reads pictures.
            open_chat_model: Gives the chat model, if it is needed.
            progress: Called before each picture is waited for.
            abandon: Called if the stage ends while loaders read.
        """
        self._index = index
        self._config = config
        self._by_suffix = by_suffix
        self._open_chat_model = open_chat_model
        self._progress = progress
        self._abandon = abandon
        self._recipe = caption_recipe(config.ingest, config.chat) or ""
        self._stopping = threading.Event()
        self._started = time.monotonic()
        self._captioned = 0
        self._failures: list[FailedFile] = []
        self._left = 0
        self._errors_in_a_row = 0
        self._problem: str | None = None
        self._encoded = 0

    def run(self) -> None:
        """Caption what lacks a caption. After Ctrl-C, the next run goes on where this one was.

        A chat model that is out of reach, or fails again and again, ends the stage and no more.

        Raises:
            ConfigError: The chat model sees no pictures.
            FlorilegiumError: The chat model cannot be opened, or the index cannot be written.
        """
        if not self._recipe:
            return
        due = self._find_due()
        self._left = len(due)
        if not due:
            return
        try:
            chat_model = self._open_chat_model()
            info = chat_model.info
        except ChatError as error:
            self._stop(error)
            return
        if info.max_images == 0:
            raise _blind(info.id, len(due))
        with self._asked(due, chat_model, in_process=info.in_process) as outcomes:
            for done, (one, outcome) in enumerate(self._told(due, outcomes), start=1):
                self._keep(one, outcome)
                if self._problem is not None:
                    break
                self._left = len(due) - done
        if self._captioned:
            self._encoded += connect(index=self._index, config=self._config)

    def add_to(self, report: IngestReport) -> IngestReport:
        """Return the report of the files with what was done here, even if `run` was ended."""
        return replace(
            report,
            encoded=report.encoded + self._encoded,
            seconds=report.seconds + time.monotonic() - self._started,
            captioned=self._captioned,
            caption_failures=tuple(sorted(self._failures, key=lambda failure: failure.path)),
            captions_left=self._left,
            caption_problem=self._problem,
        )

    def _find_due(self) -> list[_Due]:
        """Return the pictures to do, each content once; those that failed before come last."""
        config, catalog = self._config.ingest, self._index.catalog
        images = [item for item, _ in catalog.all_items(Modality.IMAGE)]
        links = catalog.links(list(dict.fromkeys(item.source.path for item in images)))
        words = words_at_links(links)
        wanted: dict[str, Item] = {}
        for item in images:
            said = words.get(item.source.path, ())
            if wants_caption(config.captions, fields=item.fields, words_at_links=said):
                wanted.setdefault(picture_key(item), item)
        known = self._index.cache.captions(self._recipe, list(wanted))
        due: list[_Due] = []
        for key, item in wanted.items():
            past = known.get(key)
            if past is not None and past.text:
                continue
            # With more room for the reply, what failed for the lack of it is worth a new try.
            if past is None or past.max_tokens < config.caption_max_tokens:
                due.append(_Due(key=key, item=item, tried=0))
            elif past.tried < config.caption_tries:
                due.append(_Due(key=key, item=item, tried=past.tried))
            else:
                self._failures.append(_given_up(item, past))
        return sorted(due, key=lambda one: one.tried)

    def _told(
        self, due: Sequence[_Due], outcomes: Iterator[tuple[_Due, Outcome]]
    ) -> Iterator[tuple[_Due, Outcome]]:
        """Yield the outcomes, and tell before each, and at the end, how far the stage is."""
        for done, one in enumerate(due):
            self._tell(done, len(due), one.item.source.path)
            yield next(outcomes)
        self._tell(len(due), len(due), "")

    def _tell(self, done: int, total: int, path: str) -> None:
        if self._progress is not None:
            self._progress(
                Progress(
                    done=done,
                    total=total,
                    path=path,
                    failed=len(self._failures),
                    seconds=time.monotonic() - self._started,
                    stage="captions",
                )
            )

    @contextmanager
    def _asked(
        self, due: Sequence[_Due], chat_model: ChatModel, *, in_process: bool
    ) -> Iterator[Iterator[tuple[_Due, Outcome]]]:
        """Give the outcomes as they come: of a model in process one by one, else of several."""
        if in_process:
            yield ((one, self._attempt(one, chat_model)) for one in due)
            return
        parallel = self._config.ingest.caption_parallel
        with ReadAhead[tuple[_Due, Outcome]](
            weigh=lambda _: 0, threads=parallel, abandon=self._abandon
        ) as ahead:
            for one in due:
                pixels = (one.item.width or 0) * (one.item.height or 0)
                ahead.submit(
                    partial(self._attempt_from_thread, one, chat_model),
                    weight=_BYTES_PER_PIXEL * pixels + one.item.source.size,
                )
            try:
                yield (ahead.take() for _ in due)
            finally:
                self._stopping.set()

    def _keep(self, one: _Due, outcome: Outcome) -> None:
        if isinstance(outcome, ChatUnavailableError):
            self._stop(outcome)
            return
        if isinstance(outcome, ChatError):
            self._note_failure(one, code=outcome.code, tells=outcome)
            self._errors_in_a_row += 1
            if self._errors_in_a_row == _MOST_ERRORS:
                self._stop(outcome)
                self._left -= 1  # this one has failed, and is in the report
            return
        if isinstance(outcome, SourceError):
            # The file has changed or is gone: what is there now is for the next run to look at.
            self._failures.append(_failed(one.item, outcome.code, outcome))
            return
        self._errors_in_a_row = 0
        if outcome.problem is not None:
            self._note_failure(one, code=outcome.problem)
            return
        if not self._captioned:
            self._index.catalog.set_fact("links", "due")
        self._put(one, text=outcome.caption)
        self._captioned += 1

    def _note_failure(self, one: _Due, *, code: str, tells: FlorilegiumError | None = None) -> None:
        logger.info("No caption for %r: %s", one.item.source.path, code)
        self._put(one, error_code=code)
        self._failures.append(_failed(one.item, code, tells))

    def _put(self, one: _Due, *, text: str = "", error_code: str = "") -> None:
        record = CaptionRecord(
            text=text,
            error_code=error_code,
            tried=one.tried + 1,
            max_tokens=self._config.ingest.caption_max_tokens,
        )
        self._index.cache.put_caption(self._recipe, one.key, record)

    def _stop(self, error: ChatError) -> None:
        logger.warning("Captioning stopped: %s", error)
        self._stopping.set()
        self._problem = " ".join(part for part in (error.message, error.hint) if part)

    # -- in the threads --

    def _attempt_from_thread(self, one: _Due, chat_model: ChatModel) -> tuple[_Due, Outcome]:
        return one, self._attempt(one, chat_model)

    def _attempt(self, one: _Due, chat_model: ChatModel) -> Outcome:
        try:
            messages = self._messages(one.item)
            reply, is_cut = self._ask(messages, chat_model)
        except (SourceError, ChatError) as error:
            return error
        return read_reply(reply, is_cut=is_cut)

    def _messages(self, item: Item) -> list[Message]:
        loader = self._by_suffix.get(Path(item.source.path).suffix.lower())
        if loader is None:
            raise UnsupportedFileError(f"No loader reads {item.source.path!r} any more.")
        image = loader.read_image(item, least_side=_LEAST_SIDE)
        check_unchanged(item.source)
        prompt = self._config.ingest.caption_prompt.strip()
        return [Message(role="user", parts=(ImagePart(image=image), TextPart(text=prompt)))]

    def _ask(self, messages: Sequence[Message], chat_model: ChatModel) -> tuple[str, bool]:
        """Return a reply, and whether it is not all of it."""
        options = ChatOptions(max_tokens=self._config.ingest.caption_max_tokens, temperature=0.0)
        reply, finish = "", None
        with closing_stream(chat_model.stream(messages, options=options)) as deltas:
            for delta in without_thoughts(deltas):
                reply += delta.text
                finish = delta.finish_reason
                if self._stopping.is_set() or len(reply) > LONGEST_REPLY:
                    break
        return reply, finish != "stop"


def _blind(model: str, pictures: int) -> ConfigError:
    return ConfigError(
        f"The chat model {model!r} sees no pictures, so it cannot caption {pictures} of them. "
        "The files themselves are in the index.",
        hint='Set chat.name to a model that sees pictures (chat.vision = "yes" if it does), or '
        'ingest.captions = "off".',
    )


def _failed(item: Item, code: str, tells: FlorilegiumError | None) -> FailedFile:
    path = item.source.path
    if tells is not None:
        return FailedFile(path=path, code=code, message=tells.message, hint=tells.hint)
    reason, hint = next(said for problem, said in PROBLEMS.items() if problem == code)
    return FailedFile(path=path, code=code, message=f"No caption: {reason}.", hint=hint)


def _given_up(item: Item, past: CaptionRecord) -> FailedFile:
    reason = next(
        (said[0] for problem, said in PROBLEMS.items() if problem == past.error_code),
        f"the chat model failed ({past.error_code})",
    )
    return FailedFile(
        path=item.source.path,
        code=past.error_code,
        message=f"No caption after {past.tried} tries, the last time because {reason}.",
        hint="Raise ingest.caption_tries to try again, or describe the picture yourself.",
    )
