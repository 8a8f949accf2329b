"""Contestants in processes of their own, which are asked in turns: one line of JSON each way.

Needs nothing but numpy, so that it runs in the environments of others too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent

Rows = npt.NDArray[np.float32]
Task = Callable[[Sequence[str]], Rows | None]
"""What a contestant can be asked for: inputs to rows, or to nothing."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Clock:
    """Adds up the seconds that each stage took, in all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def timed(self, stage: str, function: Callable[_P, _T]) -> Callable[_P, _T]:
        """Return a function that does the same and adds its seconds to a stage."""

        def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - started
                with self._lock:
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

        return run


def serve(make: Callable[[Clock], tuple[Mapping[str, object], Mapping[str, Task]]]) -> None:
    """Answer requests on stdin until it ends, with what `make` returns.

    Args:
        make: Loads a contestant; returns what is to be known of it, and its tasks by name.
    """
    # What the packages of others print goes to stderr, so that it cannot mix with the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    clock = Clock()
    about, tasks = make(clock)
    _reply(replies, {**about, "tasks": list(tasks)})
    for line in sys.stdin:
        request = json.loads(line)
        clock.seconds.clear()
        started = time.perf_counter()
        rows = tasks[request["task"]](request["inputs"])
        seconds = time.perf_counter() - started
        if rows is not None and request["rows"]:
            np.save(request["rows"], rows)
        _reply(replies, {"seconds": seconds, "stages": clock.seconds})


def _reply(file: Any, reply: Mapping[str, object]) -> None:
    file.write(json.dumps(reply) + "\n")
    file.flush()


class LeftOutError(Exception):
    """A contestant that cannot run, or no longer; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one task took."""

    seconds: float
    stages: Mapping[str, float]


class Contestant:
    """A process that does tasks when it is asked, and waits without using the processor."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._said = tempfile.TemporaryFile(  # noqa: SIM115 - open as long as the process is
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
        )
        self.about: dict[str, Any] = self._read()

    def ask(self, task: str, inputs: Sequence[str], *, rows: Path | None = None) -> Turn:
        """Return what a task took; its rows are saved in a file if one is named.

        Raises:
            LeftOutError: The process has ended.
        """
        assert self._process.stdin
        request = {"task": task, "inputs": list(inputs), "rows": str(rows) if rows else ""}
        with suppress(BrokenPipeError):  # then there is no reply either
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        reply = self._read()
        return Turn(seconds=reply["seconds"], stages=reply["stages"])

    def close(self) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        assert self._process.stdout
        self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            raise LeftOutError(_last_line(self._said.read(), code))
        reply: dict[str, Any] = json.loads(line)
        return reply


def run(command: Sequence[str]) -> None:
    """Run a command to its end.

    Raises:
        LeftOutError: It failed; the last line that it wrote to stderr says why.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise LeftOutError(_last_line(done.stderr, done.returncode))


def _last_line(said: str, code: int) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else f"exit code {code}"
