"""One worker as the process sees it that started it: asked, waited for within a limit, ended."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import IO, Any, Final

from PIL import Image

from florilegium.errors import WorkerError
from florilegium.worker_messages import HEADER, OUT_OF_MEMORY, Message, frame, strips, to_error

# Not multiprocessing: it would import the user's program again, or fork a process with threads.
# The folder the user is in must not be searched for modules, hence -P and the path of this process.
_BOOT: Final = (
    "import os, sys; sys.path[:] = sys.argv[1:]; "
    "os.environ.setdefault('OPENBLAS_NUM_THREADS', '1'); "
    "from florilegium.worker import main; main()"
)
_START_SECONDS: Final = 120.0
_END_SECONDS: Final = 5.0
_GRACE: Final = 1.0
"""Seconds that a reply which has begun may pause, whatever the limit."""
_PIPE_BYTES: Final = 1 << 20
_MOST_FRAME: Final = 1 << 30


class Reason(Enum):
    """Why a worker was lost."""

    CRASH = auto()
    MEMORY = auto()
    SLOW = auto()


class Lost(Exception):  # noqa: N818 - it is no error of ours; `isolation` makes one of it
    """A worker died, or had to be killed. `words` say how, after "the process that read it"."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """What a worker said, and the picture that came with it."""

    message: Message
    image: Image.Image | None = None


class WorkerProcess:
    """A running worker. One thread at a time asks it; any thread may kill it."""

    def __init__(self) -> None:
        """Start the process. Raises WorkerError."""
        self.is_fresh = True
        self._lock = threading.Lock()
        self._reaped = False
        if not sys.executable:
            raise _no_start("this Python does not know its own program")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                process_group=0,  # Ctrl-C does not reach it, and its children can be ended too
            )
        except OSError as error:
            raise _no_start(str(error)) from error
        self._requests, self._replies = _pipes(self._process)
        self._poll = select.poll()
        self._poll.register(self._replies.fileno(), select.POLLIN)

    def set_up(self, setup: Mapping[str, Any]) -> None:
        """Tell the worker its settings and wait until it is ready.

        Raises:
            WorkerError: It died or did not answer.
            FlorilegiumError: No loader could be opened.
        """
        try:
            self._send(setup)
            message = self._receive(time.monotonic() + _START_SECONDS)
        except Lost as lost:
            raise _no_start(f"it {lost.words}") from lost
        if "error" in message:
            raise to_error(message["error"])

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> Reply:
        """Have a job done and return what came of it. Raises Lost."""
        self.is_fresh = False
        deadline = time.monotonic() + seconds
        self._send(request)
        message = self._receive(deadline)
        if "size" not in message:
            return Reply(message=message)
        width, height = message["size"]
        return Reply(message=message, image=self._receive_image(width, height, deadline))

    def kill(self) -> None:
        """Kill the process and its children; whoever waits for it gets `Lost`."""
        with self._lock:
            if not self._reaped:
                self._kill_group()

    def end(self) -> None:
        """Kill the process and give back all that it took."""
        with self._lock:
            if self._reaped:
                return
            self._kill_group()
            # One that waits for a broken disk does not even die; it is let go.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            self._reaped = True
        self._requests.close()
        self._replies.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: Mapping[str, Any]) -> None:
        data = memoryview(frame(message))
        try:
            while data:
                data = data[self._requests.write(data) :]
        except OSError as error:
            raise self._lost() from error

    def _receive(self, deadline: float) -> Message:
        (count,) = HEADER.unpack(self._read(HEADER.size, deadline))
        if count > _MOST_FRAME:
            raise Lost(Reason.CRASH, "sent what cannot be understood")
        message: Message = json.loads(self._read(count, deadline))
        return message

    def _receive_image(self, width: int, height: int, deadline: float) -> Image.Image:
        image = None
        for top, rows, count in strips(width, height):
            strip = Image.frombytes("RGB", (width, rows), self._read(count, deadline))
            if rows == height:
                return strip
            image = image or Image.new("RGB", (width, height))
            image.paste(strip, (0, top))
        return image or Image.new("RGB", (width, height))

    def _read(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        view, got = memoryview(data), 0
        while got < count:
            wait = max(deadline - time.monotonic(), _GRACE)
            if not self._poll.poll(1000 * wait):
                raise Lost(Reason.SLOW, "took too long")
            more = os.readv(self._replies.fileno(), [view[got:]])
            if not more:
                raise self._lost()
            got += more
        return data

    def _lost(self) -> Lost:
        """Return how the worker died."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return Lost(Reason.CRASH, "fell silent")
        if code == OUT_OF_MEMORY:
            return Lost(Reason.MEMORY, "came to the limit of its memory")
        if code == -signal.SIGALRM:
            return Lost(Reason.SLOW, "took too long")
        if code == -signal.SIGKILL:
            words = "was killed, perhaps because the machine ran out of memory"
            return Lost(Reason.CRASH, words)
        if code < 0:
            return Lost(Reason.CRASH, f"crashed ({_signal_name(-code)})")
        return Lost(Reason.CRASH, f"ended with exit code {code}")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise _no_start("it has no pipes")
    for pipe in (process.stdin, process.stdout):
        # Pictures are larger than the usual 64 kB. A user has a limit of pages for all pipes.
        with suppress(OSError, AttributeError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process.stdin, process.stdout


def _signal_name(number: int) -> str:
    known = number in set(signal.Signals)
    return f"signal {number}, {signal.Signals(number).name}" if known else f"signal {number}"


def _no_start(why: str) -> WorkerError:
    return WorkerError(
        f"The process that files are read in cannot be started: {why}.",
        hint="Raise ingest.worker_megabytes if it is set; with ingest.isolate = false, files are "
        "read without such processes, and one that crashes a decoder ends the run.",
    )
