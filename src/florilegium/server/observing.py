"""What the service tells of its work, so that others can count it. Counts nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias

from florilegium.answers import Event, Failed, Finished, Token
from florilegium.errors import FlorilegiumError, InvalidQueryError, UnsupportedInputError

Work: TypeAlias = Literal["search", "embedding", "answer"]
"""What is timed."""

Outcome: TypeAlias = Literal["answered", "refused", "refused_input", "failed", "stopped"]
"""What became of an answer: `stopped` if its reader left, `refused_input` if nothing was asked."""


class Observer(Protocol):
    """Is told what the service does. Called from any thread; returns at once and never raises."""

    def searched(self, *, seconds: float, code: str | None) -> None:
        """A search ended; `code` is that of its error, None if there was none."""

    def embedded(self, *, seconds: float, code: str | None) -> None:
        """Texts or pictures were embedded for a user; as `searched`."""

    def answered(
        self, *, outcome: Outcome, seconds: float, first_token: float | None, code: str | None
    ) -> None:
        """An answer ended.

        Args:
            outcome: What became of it.
            seconds: How long it took.
            first_token: After how many seconds its first words came; None if none did.
            code: Code of the error of the chat model, even where another one stood in.
        """

    def ingested(self, *, state: Literal["done", "failed", "cancelled"]) -> None:
        """An ingest ended so."""


class Unobserved:
    """An observer that nobody reads."""

    def searched(self, *, seconds: float, code: str | None) -> None:
        pass

    def embedded(self, *, seconds: float, code: str | None) -> None:
        pass

    def answered(
        self, *, outcome: Outcome, seconds: float, first_token: float | None, code: str | None
    ) -> None:
        pass

    def ingested(self, *, state: Literal["done", "failed", "cancelled"]) -> None:
        pass


class Watch:
    """Times one piece of work and tells an observer when the `with` block is left.

    Of an answer, `see` is given each event.
    """

    def __init__(
        self, observer: Observer, work: Work, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._observer = observer
        self._work = work
        self._clock = clock
        self._began = clock()
        self._first_token: float | None = None
        self._outcome: Outcome = "stopped"
        self._code: str | None = None

    def see(self, event: Event) -> None:
        """Take notice of an event of the answer."""
        if isinstance(event, Token):
            if self._first_token is None:
                self._first_token = self._clock() - self._began
        elif isinstance(event, Failed):
            self._code = event.failure.code
        elif isinstance(event, Finished):
            self._outcome = "refused" if event.answer.refused else "answered"

    def fail(self, error: BaseException) -> None:
        """Take notice of an error, even of one that does not leave the block."""
        if isinstance(error, InvalidQueryError | UnsupportedInputError):
            self._outcome, self._code = "refused_input", error.code
        elif isinstance(error, FlorilegiumError):
            self._outcome, self._code = "failed", error.code
        elif isinstance(error, Exception):  # a cancelled task and a closed generator are none
            self._outcome, self._code = "failed", "internal"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = self._clock() - self._began
        if error is not None:
            self.fail(error)
        if self._work == "search":
            self._observer.searched(seconds=seconds, code=self._code)
        elif self._work == "embedding":
            self._observer.embedded(seconds=seconds, code=self._code)
        else:
            self._observer.answered(
                outcome=self._outcome,
                seconds=seconds,
                first_token=self._first_token,
                code=None if self._outcome == "refused_input" else self._code,
            )


UNOBSERVED: Final[Observer] = Unobserved()
