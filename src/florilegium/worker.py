"""The process that files are read in: it does one job at a time, as it is told over a pipe.

Started by `isolation` and by nobody else. It ends when the process that started it does.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

from florilegium.config import TextEncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.errors import FileTooLargeError, FlorilegiumError
from florilegium.file_jobs import DirectJobs
from florilegium.protocols import Loader
from florilegium.registry import open_encoder, open_last_loader
from florilegium.worker_messages import (
    HEADER,
    OUT_OF_MEMORY,
    Message,
    frame,
    from_description,
    from_error,
    from_item,
    pixels,
    to_item,
    to_source,
)

_LEAST_ROOM: Final = 64_000_000  # bytes that loaders must have beside the interpreter

_GRACE: Final = 5.0
"""Seconds after its limit when a job that nobody ended is ended by the kernel."""


def main() -> None:
    """Serve until the pipe of requests is closed."""
    requests, replies = _take_pipes()
    _prepare_signals()
    try:
        setup = _receive(requests)
        if setup is None:
            return
        _limit(memory=setup["memory"])
        jobs = _open_jobs(setup)
        _send(replies, {"ready": True})
        while (request := _receive(requests)) is not None:
            with _ended_with(requests, seconds=setup["seconds"] + _GRACE):
                reply, image = _answer(jobs, request, most_bytes=setup["reply"])
            _write(replies, reply)
            if image is not None:
                for strip in pixels(image):
                    _write(replies, strip)
    except FlorilegiumError as error:  # no loader could be opened
        _send(replies, {"error": from_error(error)})
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        os._exit(0)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of requests and replies, out of reach of what loaders read and print."""
    requests, replies = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    return requests, replies


def _prepare_signals() -> None:
    # Ctrl-C is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ending = {signal.SIGALRM, signal.SIGIO}
    for one in ending:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


def _limit(*, memory: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    # Not RLIMIT_AS, which counts what libraries reserve and never use.
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bytearray(_LEAST_ROOM)  # better no worker than one that blames every file
    with suppress(OSError):
        # If the machine runs out of memory, this process is to go and not the one that writes.
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _open_jobs(setup: Message) -> DirectJobs:
    ingest = IngestConfig.model_validate(setup["ingest"])
    texts = TextEncoderConfig.model_validate(setup["text_encoder"])

    @cache
    def counter() -> Callable[[str], int]:
        folder = Path(setup["cache_folder"])
        return open_encoder(texts.name, config=texts, cache_folder=folder).count_tokens

    # What is not needed is not opened: pictures have no tokens, and many a folder no web pages.
    @cache
    def find(suffix: str) -> Loader | None:
        return open_last_loader(suffix, config=ingest, count_tokens=lambda text: counter()(text))

    return DirectJobs(find, config=ingest)


@contextmanager
def _ended_with(requests: BinaryIO, *, seconds: float) -> Iterator[None]:
    """Have the kernel end this process if the other one dies meanwhile, or if it takes too long.

    A thread could not: code in C that hangs lets no other Python run.
    """
    descriptor = requests.fileno()
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([descriptor], [], [], 0)[0]:  # it died before that was set
        os._exit(0)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


def _answer(
    jobs: DirectJobs, request: Message, *, most_bytes: int
) -> tuple[bytes, Image.Image | None]:
    try:
        message, image = _do(jobs, request)
        reply = frame(message)
        if len(reply) > most_bytes:
            # It would take many times as much memory in the process that gets it.
            path = request["source"]["path"]
            raise FileTooLargeError(
                f"What {path!r} says takes more than {most_bytes} bytes.",
                hint="Split the file, or raise ingest.max_file_megabytes.",
            )
    except FlorilegiumError as error:
        if _lacks_memory(error):
            # What is left of this process is not fit for the next file.
            os._exit(OUT_OF_MEMORY)
        return frame({"error": from_error(error)}), None
    return reply, image


def _do(jobs: DirectJobs, request: Message) -> tuple[Message, Image.Image | None]:
    job = request["job"]
    if job == "hash":
        return {"hash": jobs.hash(Path(request["root"]), request["path"])}, None
    source = to_source(request["source"])
    if job == "load":
        return {"items": [from_item(item) for item in jobs.load(source)]}, None
    if job == "describe":
        return {"descriptions": [from_description(one) for one in jobs.describe(source)]}, None
    item = to_item(request["item"], source=source)
    image = jobs.read_image(item, least_side=request["least_side"])
    return {"size": image.size}, image


def _lacks_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__
    return False


def _receive(requests: BinaryIO) -> Message | None:
    header = _read(requests, HEADER.size)
    if header is None:
        return None
    data = _read(requests, HEADER.unpack(header)[0])
    if data is None:
        return None
    message: Message = json.loads(data)
    return message


def _read(requests: BinaryIO, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = requests.read(count - len(data))
        if not more:
            return None
        data += more
    return data


def _send(replies: BinaryIO, message: Message) -> None:
    _write(replies, frame(message))


def _write(replies: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[replies.write(left) :]
