"""Files read in processes of their own: what kills a decoder, or hangs it, costs one file.

Each worker does one job at a time, so it is known which file ended it. Knows no loader.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from PIL import Image

from florilegium.config import Config, TextEncoderConfig
from florilegium.config_sections import IngestConfig
from florilegium.errors import (
    FileTooLargeError,
    FileTooSlowError,
    SourceError,
    UnreadableFileError,
    WorkerError,
)
from florilegium.file_jobs import DirectJobs, FileJobs, loaders_by_suffix
from florilegium.protocols import Loader
from florilegium.types import Description, Item, Source
from florilegium.worker_messages import (
    from_item,
    from_source,
    to_description,
    to_error,
    to_item,
)
from florilegium.worker_process import Lost, Reason, Reply, WorkerProcess

_MILLION: Final = 1_000_000
# An interpreter with all loaders and a tokenizer takes a fifth of this.
_BASE_MEGABYTES: Final = 512
# Enough for a WebP with transparency, a colour profile and a turn, which takes the most.
_BYTES_PER_PIXEL: Final = 28
_COPIES_OF_FILE: Final = 4
_T = TypeVar("_T")


def memory_limit(config: IngestConfig) -> int:
    """Return how many megabytes of memory a worker may take."""
    if config.worker_megabytes:
        return config.worker_megabytes
    return int(
        _BASE_MEGABYTES
        + _COPIES_OF_FILE * _largest_file(config)
        + _BYTES_PER_PIXEL * config.max_image_megapixels
    )


def _largest_file(config: IngestConfig) -> float:
    return max(config.max_file_megabytes, config.max_text_megabytes)


def open_jobs(loaders: Sequence[Loader], *, config: Config, cache_folder: Path) -> FileJobs:
    """Return who does the jobs of a run: workers, or this process if that is configured.

    Args:
        loaders: Who reads files in this process; workers open their own.
        config: All settings.
        cache_folder: Where the text encoder may keep files that can be made again.
    """
    if not config.ingest.isolate:
        return DirectJobs(loaders_by_suffix(loaders).get, config=config.ingest)
    return IsolatedJobs(
        ingest=config.ingest, text_encoder=config.text_encoder, cache_folder=cache_folder
    )


class IsolatedJobs:
    """The jobs, done by workers. A worker is started when there is a job and none is idle.

    A worker that dies is replaced. If it had read other files before, the file is tried once more
    by a new one, since what an earlier file did to a process is not the fault of this one.
    """

    def __init__(
        self, *, ingest: IngestConfig, text_encoder: TextEncoderConfig, cache_folder: Path
    ) -> None:
        """Keep what workers are to know; none is started yet.

        Args:
            ingest: The limits.
            text_encoder: The encoder whose tokens loaders count.
            cache_folder: Where it may keep files that can be made again.
        """
        self._seconds = ingest.file_seconds
        self._megabytes = memory_limit(ingest)
        self._setup: Mapping[str, Any] = {
            "ingest": ingest.model_dump(mode="json"),
            "text_encoder": text_encoder.model_dump(mode="json"),
            "cache_folder": str(cache_folder),
            "seconds": self._seconds,
            "memory": self._megabytes * _MILLION,
            "reply": int(_COPIES_OF_FILE * _largest_file(ingest) * _MILLION),
        }
        self._lock = threading.Lock()
        self._closed = False
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()

    def hash(self, root: Path, path: str) -> str:
        request = {"job": "hash", "root": str(root), "path": path}
        return self._ask(request, path, lambda reply: str(reply.message["hash"]))

    def load(self, source: Source) -> tuple[Item, ...]:
        request = {"job": "load", "source": from_source(source)}
        return self._ask(
            request,
            source.path,
            lambda reply: tuple(to_item(one, source=source) for one in reply.message["items"]),
        )

    def describe(self, source: Source) -> tuple[Description, ...]:
        request = {"job": "describe", "source": from_source(source)}
        return self._ask(
            request,
            source.path,
            lambda reply: tuple(map(to_description, reply.message["descriptions"])),
        )

    def read_image(self, item: Item, *, least_side: int | None) -> Image.Image:
        request = {
            "job": "image",
            "source": from_source(item.source),
            "item": from_item(item),
            "least_side": least_side,
        }
        return self._ask(request, item.source.path, _image_of)

    def close(self) -> None:
        """Kill the workers, busy ones too; the threads that wait for those get an error."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for worker in self._busy:
                worker.kill()
        for worker in idle:
            worker.end()

    def _ask(self, request: Mapping[str, Any], path: str, read: Callable[[Reply], _T]) -> _T:
        worker = self._take()
        while True:
            is_fresh = worker.is_fresh
            try:
                reply = worker.ask(request, seconds=self._seconds)
                if "error" in reply.message:
                    raise to_error(reply.message["error"])
                result = read(reply)
            except Lost as lost:
                self._dismiss(worker)
                if is_fresh or lost.reason is Reason.SLOW or self._closed:
                    raise self._explain(lost, path) from lost
                worker = self._start()
            except (LookupError, TypeError, ValueError, StopIteration) as error:
                self._dismiss(worker)
                nonsense = Lost(Reason.CRASH, "sent what cannot be understood")
                raise self._explain(nonsense, path) from error
            except SourceError:
                self._give_back(worker)
                raise
            except BaseException:
                # Ctrl-C in the midst of a reply, or an error that is not of the file.
                self._dismiss(worker)
                raise
            else:
                self._give_back(worker)
                return result

    def _explain(self, lost: Lost, path: str) -> SourceError:
        if lost.reason is Reason.SLOW:
            return FileTooSlowError(
                f"Reading {path!r} took longer than {self._seconds:g} seconds.",
                hint="Make the file smaller, or raise ingest.file_seconds.",
            )
        if lost.reason is Reason.MEMORY:
            return FileTooLargeError(
                f"Reading {path!r} took more than {self._megabytes} megabytes of memory.",
                hint="Make the file smaller, or raise ingest.worker_megabytes.",
            )
        return UnreadableFileError(
            f"{path!r} cannot be read: the process that read it {lost.words}.",
            hint="Replace the file, or exclude it in florilegium.toml.",
        )

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
                self._busy.add(worker)
                return worker
        return self._start()

    def _start(self) -> WorkerProcess:
        worker = WorkerProcess()
        with self._lock:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            self._dismiss(worker)
            raise WorkerError("No file is read any more, since the run has ended.")
        try:
            worker.set_up(self._setup)
        except BaseException:
            self._dismiss(worker)
            raise
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._busy.discard(worker)
            if not self._closed:
                self._idle.append(worker)
                return
        worker.end()

    def _dismiss(self, worker: WorkerProcess) -> None:
        worker.end()
        with self._lock:
            self._busy.discard(worker)


def _image_of(reply: Reply) -> Image.Image:
    if reply.image is None:
        raise ValueError("a reply without a picture")
    return reply.image


_: type[FileJobs] = IsolatedJobs
