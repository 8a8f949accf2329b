"""Ways to the same reply of the same weights: llama.cpp itself and its server, alone and by ours.

Usage: python -m benchmarks.chat_ways WAY MODEL [ADDRESS] serves tasks, see `turns`.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from benchmarks.turns import Clock, Contestant, Task, serve
from florilegium import registry
from florilegium.config import ChatConfig
from florilegium.openai_format import to_request
from florilegium.types import ChatOptions, Message, SourcePart, TextPart

ENGINE = "xllamacpp"
IN_PROCESS = "llama_cpp"
HTTP = "httpx"
OVER_HTTP = "openai"
WAYS = (ENGINE, IN_PROCESS, HTTP, OVER_HTTP)
PAIRS = ((IN_PROCESS, ENGINE), (OVER_HTTP, HTTP))
"""Ours, and what it stands on."""
SERVER = "server"

OPTIONS = ChatOptions(max_tokens=64, temperature=0.0, seed=1)
CONTEXT = 1024
THREADS = 1

Ask = Callable[[str], list[float]]
"""Asks a question; returns when each piece of the reply came, in seconds from the question."""


def messages(question: str) -> list[Message]:
    """Return a question about a source of some hundred tokens, as a library would ask it."""
    source = SourcePart(
        number=1,
        title="Dahlia",
        path="dahlia.txt",
        text="Dahlias are planted after the last frost, in full sun and rich soil. "
        "Water them twice a week in summer, and cut what has faded. In autumn the tubers are "
        "lifted, dried for some days, and kept in a cool and dark place without frost.",
    )
    rules = "Answer from the numbered sources and cite them like [1]."
    return [
        Message(role="system", parts=(TextPart(text=rules),)),
        Message(role="user", parts=(source, TextPart(text=question))),
    ]


def questions(count: int) -> list[str]:
    """Return questions that all ask for a long reply."""
    return [f"Question {number}: tell a long story about dahlias." for number in range(count)]


@contextmanager
def open_ways(model: Path, ways: Sequence[str] = WAYS) -> Iterator[dict[str, Contestant]]:
    """Yield a process for each way, and one for the server."""
    opened: dict[str, Contestant] = {}
    try:
        opened[SERVER] = open_way(SERVER, model)
        address = str(opened[SERVER].about["address"])
        for way in ways:
            opened[way] = open_way(way, model, address)
        yield opened
    finally:
        for contestant in opened.values():
            contestant.close()


def open_way(way: str, model: Path, address: str = "") -> Contestant:
    command = [sys.executable, "-m", "benchmarks.chat_ways", way, str(model), address]
    return Contestant(way, command)


def tasks_of(
    clock: Clock, way: str, model: Path, address: str
) -> tuple[Mapping[str, object], Mapping[str, Task]]:
    """Return what is to be known of a way, and its tasks: to ask, and to measure its memory."""

    if way == SERVER:
        server = xllamacpp.Server(_params(model))
        about = {"address": server.listening_address}
        return about, {"memory": partial(_measure_memory, clock, server)}
    ask = _OPEN[way](model, address)

    def measure(inputs: Sequence[str]) -> None:
        for question in inputs:
            times = ask(question)
            clock.seconds.update(
                {"first": times[0], "rest": times[-1] - times[0], "pieces": len(times)}
            )

    return {}, {"ask": measure, "memory": partial(_measure_memory, clock, ask)}


def _measure_memory(clock: Clock, held: object, inputs: Sequence[str]) -> None:
    """Put the memory of this process where the seconds are; `held` is what it is to hold."""
    del held, inputs
    clock.seconds.update(read_memory())


def read_memory() -> dict[str, float]:
    """Return the memory of this process in MB (10^6 bytes): all, and its share of what is shared.

    Weights that are mapped from their file belong to all processes that map them.
    """
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    rows = (line.split() for line in rollup.splitlines()[1:])
    kilobytes = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return {f"{kind} MB": 1.024e-3 * kilobytes[kind.capitalize()] for kind in ("RSS", "PSS")}


def _params(model: Path) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    # Otherwise each way but the first would find the prompt read already.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.enable_reasoning = 0
    params.warmup = False
    params.verbosity = -1
    return params


def _request(question: str) -> dict[str, Any]:
    return to_request(messages(question), model="", options=OPTIONS)


def _text(chunk: Mapping[str, Any]) -> str:
    return chunk["choices"][0]["delta"].get("content") or ""


def _open_engine(model: Path, address: str) -> Ask:
    del address
    params = _params(model)
    params.api_keys = [secrets.token_hex()]
    server = xllamacpp.Server(params)

    def ask(question: str) -> list[float]:
        started, times = time.perf_counter(), []

        def take(chunk: dict[str, Any]) -> None:
            if _text(chunk):
                times.append(time.perf_counter() - started)

        server.handle_chat_completions(_request(question), take)
        return times

    return ask


def _open_http(model: Path, address: str) -> Ask:
    del model
    # A connection for each request: one that was idle for minutes may be closed at the other end.
    client = httpx.Client(base_url=address, timeout=600, headers={"Connection": "close"})

    def ask(question: str) -> list[float]:
        started, times = time.perf_counter(), []
        body = _request(question)
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            for line in response.iter_lines():
                data = line.removeprefix("data: ")
                if data and data != "[DONE]" and _text(json.loads(data)):
                    times.append(time.perf_counter() - started)
        return times

    return ask


def _open_ours(name: str, config: ChatConfig) -> Ask:
    cache = Path(tempfile.gettempdir()) / "florilegium-bench"
    chat_model = registry.open_chat_model(name, config=config, texts=None, cache_folder=cache)

    def ask(question: str) -> list[float]:
        started = time.perf_counter()
        deltas = chat_model.stream(messages(question), options=OPTIONS)
        return [time.perf_counter() - started for delta in deltas if delta.text]

    return ask


def _open_in_process(model: Path, address: str) -> Ask:
    del address
    config = ChatConfig(context_tokens=CONTEXT, threads=THREADS)
    return _open_ours(f"llama_cpp:{model}", config)


def _open_over_http(model: Path, address: str) -> Ask:
    del model
    return _open_ours("openai", ChatConfig(base_url=f"{address}/v1", vision="no"))


_OPEN: Mapping[str, Callable[[Path, str], Ask]] = {
    ENGINE: _open_engine,
    IN_PROCESS: _open_in_process,
    HTTP: _open_http,
    OVER_HTTP: _open_over_http,
}


if __name__ == "__main__":
    WAY, MODEL, ADDRESS = sys.argv[1:]
    serve(lambda clock: tasks_of(clock, WAY, Path(MODEL), ADDRESS))
