"""llama.cpp with a model loaded: requests in, chunks out as they come.

The package can be had only with an HTTP server around it, which is bound to loopback and answers
nobody without a key that nobody knows. Knows the JSON of chat completions, not our messages.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import xllamacpp

from florilegium.cancelling import current_cancellation
from florilegium.chat_models.llama_cpp.failure import explain_failure
from florilegium.errors import ChatError, ChatRejectedError, ContextExceededError

_SILENT: Final = -1
# A request is stopped between two batches of its prompt, so a smaller one stops sooner. On
# processors 64 to 2048 were equally fast.
_BATCH: Final = 256

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is started with."""

    model: Path
    mmproj: Path | None
    context_tokens: int
    threads: int


class Engine:
    """A loaded model. Requests take turns, in the order in which they come."""

    def __init__(self, server: Any) -> None:
        """Keep what `load_engine` has loaded."""
        self._server = server
        # One thread, so that requests which wait for their turn can be taken back by `close`.
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp")
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def is_closed(self) -> bool:
        """Return whether `close` was called, which ends all replies."""
        return self._closing.is_set()

    @property
    def address(self) -> str:
        """Return where the server within listens."""
        return str(self._server.listening_address)

    def stream(self, request: Json) -> Generator[Json, None, None]:
        """Yield the chunks of one reply; closing the iterator stops it and waits until it has.

        Raises:
            ContextExceededError: The prompt is longer than the context.
            ChatRejectedError: The request cannot be answered.
            ChatError: Anything else went wrong.
        """
        chunks: SimpleQueue[Json | None] = SimpleQueue()
        stop = threading.Event()

        def take(chunk: Json) -> bool:
            # What is raised in here is lost, so nothing is done in here.
            chunks.put(chunk)
            return stop.is_set() or self._closing.is_set()

        with self._lock:
            if self._closing.is_set():
                return
            turn = self._turns.submit(self._server.handle_chat_completions, request, take)
        turn.add_done_callback(lambda _: chunks.put(None))

        def end() -> None:
            stop.set()
            turn.cancel()  # one that has not begun

        try:
            with current_cancellation().waking(end):
                while (chunk := chunks.get()) is not None:
                    _raise_error(chunk)
                    yield chunk
            current_cancellation().check()
            if not turn.cancelled():
                _raise_failure(turn)
        finally:
            stop.set()
            if not turn.cancel():
                wait([turn])

    def close(self) -> None:
        """Stop all replies, wait until they have stopped, and free the model."""
        with self._lock:
            self._closing.set()
        self._turns.shutdown(cancel_futures=True)
        self._server = None


def load_engine(setup: Setup) -> Engine:
    """Load a model, which takes from a third of a second to minutes.

    Raises:
        WeightsNotFoundError: llama.cpp cannot load it.
    """
    try:
        server = xllamacpp.Server(make_params(setup))
    except RuntimeError as error:
        raise explain_failure(setup.model, setup.mmproj, setup.context_tokens) from error
    # A server that is freed before its loop runs waits for its end for ever. What has answered
    # runs.
    server.handle_metrics()
    return Engine(server)


def make_params(setup: Setup, *, verbosity: int = _SILENT) -> Any:
    """Return the parameters of a server for one request at a time, silent and closed to others."""
    params = xllamacpp.CommonParams()
    params.model.path = str(setup.model)
    if setup.mmproj is None:
        params.n_batch = _BATCH
    else:
        # Some models need all tokens of a picture in one batch, so here the size is left alone.
        params.mmproj.path = str(setup.mmproj)
    params.n_ctx = setup.context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = setup.threads
    params.cpuparams_batch.n_threads = setup.threads
    params.ctx_shift = False
    params.use_jinja = True
    # Thoughts take hundreds of tokens, and are no part of an answer.
    params.enable_reasoning = 0
    params.warmup = False
    # By default old prompts are kept in memory, up to 8 GB of them.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.offline = True
    params.verbosity = verbosity
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_urlsafe(32)]
    params.n_threads_http = 1
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = True  # which `load_engine` asks
    return params


def _raise_error(chunk: Json) -> None:
    if "error" not in chunk:
        return
    error = chunk["error"]
    said = str(error.get("message", error))[:500]
    if error.get("type") == "exceed_context_size_error":
        raise ContextExceededError(
            f"The messages take {error['n_prompt_tokens']} tokens, and the context of the model "
            f"has {error['n_ctx']}.",
            hint="Lower chat.max_sources or chat.max_images, or raise chat.context_tokens.",
        )
    if 400 <= int(error.get("code", 500)) < 500:
        raise ChatRejectedError(
            f"llama.cpp refuses the request: {said}", hint="Ask in another way."
        )
    raise ChatError(f"llama.cpp failed: {said}", hint="Ask again.")


def _raise_failure(turn: Future[None]) -> None:
    try:
        turn.result()
    except (RuntimeError, ValueError, TypeError) as error:  # what it raises instead of answering
        raise ChatRejectedError(
            f"llama.cpp refuses the request: {str(error)[:500]}", hint="Ask in another way."
        ) from error
