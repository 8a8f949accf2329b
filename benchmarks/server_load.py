"""How the server bears a crowd: searches and streamed answers at once, and clients that are killed.

Usage: python -m benchmarks.server_load [--data FOLDER] [--out FOLDER] [--seconds N] [--keep]

The server runs in a process of its own on a loopback port; clients, and a chat model that speaks
a word every 20 ms, run in this one on the same cores. The same searches in process, in one thread
and in as many as there are clients, are measured in the same run.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from benchmarks import bench, mixed_data
from benchmarks.mixed_data import Labelled
from benchmarks.steady_model import SteadyModel, served
from florilegium import Library

CLIENTS = 50
STREAMS = 20
WORDS = 120
PAUSE = 0.02
PICTURE_EVERY = 5  # of the searches, so many have a picture
PACKAGES = (*bench.PACKAGES, "fastapi", "uvicorn", "starlette")
Query = dict[str, Any]


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--seconds", type=float, default=60.0, help="of each crowd")
    line.add_argument("--keep", action="store_true", help="leave the library for the next run")
    arguments = line.parse_args()
    model = SteadyModel(words=WORDS, pause=PAUSE)
    with mixed_data.opened(arguments.data, keep=arguments.keep) as (library, labelled):
        queries = list(make_queries(labelled))
        results: dict[str, Any] = {
            "items": library.statistics().images + library.statistics().texts,
            "load average before": round(os.getloadavg()[0], 1),
            "in process": in_process(library, queries, seconds=arguments.seconds / 3),
        }
        root = library.root
        library.close()
        with served(model) as address, serving(root, address, answers=STREAMS) as server:
            asyncio.run(server.load(results, queries, model, seconds=arguments.seconds))
    results["load average after"] = round(os.getloadavg()[0], 1)
    bench.write("server_load", results, out=arguments.out, packages=PACKAGES)


def make_queries(labelled: Sequence[Labelled]) -> Iterator[Query]:
    """Yield searches as the API takes them, by text and now and then by a picture."""
    texts = [one.text for one in labelled if one.text]
    pictures = [one.image for one in labelled if one.image]
    for number in range(500):
        if number % PICTURE_EVERY == PICTURE_EVERY - 1:
            data = pictures[number % len(pictures)].read_bytes()
            yield {"images": ["data:image/jpeg;base64," + base64.b64encode(data).decode()]}
        else:
            yield {"text": texts[(number * 7) % len(texts)]}


def in_process(library: Library, queries: Sequence[Query], *, seconds: float) -> dict[str, Any]:
    """Return how fast `Library.search` answers in one thread and in many."""

    def search(query: Query) -> None:
        images = [base64.b64decode(one.partition(",")[2]) for one in query.get("images", ())]
        library.search(query.get("text", ""), image=images or None)

    search(queries[0])
    return {
        "1 thread": in_threads(search, queries, threads=1, seconds=seconds),
        f"{CLIENTS} threads": in_threads(search, queries, threads=CLIENTS, seconds=seconds),
    }


def in_threads(
    search: Callable[[Query], None], queries: Sequence[Query], *, threads: int, seconds: float
) -> dict[str, Any]:
    numbers = count()
    lock = threading.Lock()
    taken: list[float] = []
    until = time.perf_counter() + seconds

    def work() -> None:
        while (begun := time.perf_counter()) < until:
            with lock:
                number = next(numbers)
            search(queries[number % len(queries)])
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work) for _ in range(threads)]:
            future.result()
    return {"per second": round(len(taken) / (time.perf_counter() - begun), 1), **spread(taken)}


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, 95th and 99th percentile, and the most, in milliseconds."""
    ranked = sorted(seconds)
    at = {
        f"p{share} ms": ranked[min(len(ranked) - 1, len(ranked) * share // 100)]
        for share in (50, 95, 99)
    }
    return {name: round(1000 * value, 1) for name, value in {**at, "most ms": ranked[-1]}.items()}


@contextmanager
def serving(root: Path, model: str, *, answers: int, page: bool = False) -> Iterator[Server]:
    """Give a server of the library in a process of its own, which ends with the block."""
    settings = {
        "chat.name": "openai:steady",
        "chat.base_url": model,
        "chat.vision": "no",
        "chat.context_tokens": "8000",
        "chat.min_confidence": "0",
        "server.metrics": "true",
        "server.answers": str(answers),
        "server.page": str(page).lower(),
    }
    pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "florilegium", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--library", f"bench={root}", *pairs], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        told: list[str] = []
        for line in process.stderr:
            told.append(line)
            if found := re.search(r"http://[0-9.]+:[0-9]+", line):
                drain = threading.Thread(target=process.stderr.read, daemon=True)
                drain.start()
                yield Server(found[0], process.pid)
                break
        else:
            raise RuntimeError("".join(told))
    finally:
        process.send_signal(signal.SIGTERM)
        if code := process.wait(60):
            sys.stderr.write(f"The server ended with the code {code}.\n")


class Server:
    """A running server: its address, and its process."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self.library = f"{address}/api/libraries/bench"
        self._status = Path(f"/proc/{pid}/status")
        self._files = Path(f"/proc/{pid}/fd")

    async def load(
        self,
        results: dict[str, Any],
        queries: Sequence[Query],
        model: SteadyModel,
        *,
        seconds: float,
    ) -> None:
        """Put all crowds before the server, and note what they met."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=120, limits=limits) as client:
            await self._searches(client, queries, clients=4, seconds=3)  # which opens everything
            results["server before"] = self.resources()
            results["one client"] = await self._searches(
                client, queries, clients=1, seconds=seconds / 3
            )
            results[f"{CLIENTS} clients"] = await self._searches(
                client, queries, clients=CLIENTS, seconds=seconds
            )
            results["server after searches"] = self.resources()
            results[f"{STREAMS} streams"] = await self._streams(client, seconds=seconds / 2)
            results["server after answers"] = self.resources()
            results["killed clients"] = await self._killed(client, model)
            await asyncio.sleep(1)
            results["server at the end"] = self.resources()

    async def _searches(
        self, client: httpx.AsyncClient, queries: Sequence[Query], *, clients: int, seconds: float
    ) -> dict[str, Any]:
        numbers = count()
        taken: list[float] = []
        statuses: Counter[int] = Counter()
        until = time.perf_counter() + seconds

        async def search() -> None:
            while (begun := time.perf_counter()) < until:
                query = queries[next(numbers) % len(queries)]
                answer = await client.post(f"{self.library}/search", json=query)
                taken.append(time.perf_counter() - begun)
                statuses[answer.status_code] += 1

        begun = time.perf_counter()
        await asyncio.gather(*(search() for _ in range(clients)))
        return {
            "searches": len(taken),
            "errors": sum(n for status, n in statuses.items() if status != 200),
            "per second": round(len(taken) / (time.perf_counter() - begun), 1),
            **spread(taken),
        }

    async def _streams(self, client: httpx.AsyncClient, *, seconds: float) -> dict[str, Any]:
        answers = [0, 0]
        first: list[float] = []
        gaps: list[float] = []
        whole: list[float] = []
        until = time.perf_counter() + seconds

        async def ask() -> None:
            while (begun := time.perf_counter()) < until:
                last, finished = begun, False
                async for name in events(client, self.library):
                    now = time.perf_counter()
                    if name == "token":
                        (first if last == begun else gaps).append(now - last)
                        last = now
                    finished |= name == "finished"
                whole.append(time.perf_counter() - begun)
                answers[not finished] += 1

        await asyncio.gather(*(ask() for _ in range(STREAMS)))
        return {
            "answers": answers[0],
            "errors": answers[1],
            "first token": spread(first),
            "between tokens": spread(gaps),
            "whole answer": spread(whole),
            "whole answer, as the model speaks it, ms": round(1000 * WORDS * PAUSE),
        }

    async def _killed(self, client: httpx.AsyncClient, model: SteadyModel) -> dict[str, Any]:
        """Kill a process with all streams in the midst of them, and see the server let go."""
        context = multiprocessing.get_context("spawn")
        started = context.Semaphore(0)
        victim = context.Process(target=read_streams, args=(self.library, started))
        victim.start()
        for _ in range(STREAMS):
            await asyncio.to_thread(started.acquire)
        running, left = await self.running(client), model.left
        victim.kill()
        killed = time.perf_counter()
        while await self.running(client):
            pass  # each look is a request, which takes its time
        freed = time.perf_counter() - killed
        await asyncio.to_thread(model.wait_until_idle)
        model_freed = time.perf_counter() - killed
        victim.join()
        after = await self._searches(client, [{"text": "red"}], clients=1, seconds=1)
        return {
            "answers at work when they were killed": running,
            "seconds until all places were free": round(freed, 2),
            "seconds until the chat model was let go": round(model_freed, 2),
            "replies that the model broke off": model.left - left,
            "errors of searches after that": after["errors"],
        }

    async def running(self, client: httpx.AsyncClient) -> int:
        """Return how many answers are being given."""
        text = (await client.get(f"{self.address}/metrics")).text
        found = re.search(r'^florilegium_work_running\{work="answer"\} (\S+)', text, re.MULTILINE)
        assert found, text
        return int(float(found[1]))

    def resources(self) -> dict[str, int]:
        """Return memory in MB, threads and open files of the server."""
        told = dict(
            line.split(":", 1) for line in self._status.read_text(encoding="utf-8").splitlines()
        )
        return {
            "memory MB": round(int(told["VmRSS"].split()[0]) / 1000),
            "threads": int(told["Threads"]),
            "files": len(list(self._files.iterdir())),
        }


async def events(client: httpx.AsyncClient, library: str) -> Any:
    """Yield the names of the events of one answer as they come."""
    body = {"question": "What do the sources say about water?"}
    async with client.stream("POST", f"{library}/ask", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                yield line.removeprefix("event: ")


def read_streams(library: str, started: Any) -> None:
    """Read as many answers as streams are allowed, until this process is killed."""

    async def read(client: httpx.AsyncClient) -> None:
        tokens = 0
        async for name in events(client, library):
            tokens += name == "token"
            if tokens == 5 and name == "token":
                started.release()

    async def read_all() -> None:
        async with httpx.AsyncClient(timeout=120) as client:
            await asyncio.gather(*(read(client) for _ in range(STREAMS)))

    asyncio.run(read_all())


if __name__ == "__main__":
    main()
