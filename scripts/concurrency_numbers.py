"""The table of the benchmark of several threads that search one library object."""

from __future__ import annotations

import re
from typing import Any

from scripts.numbers_of import lines, origin, read

HEADS = (
    "searches a second",
    "p50, ms",
    "p95, ms",
    "processor ms a search",
    "inputs of a batch",
)


def concurrency_table() -> str:
    """Return what searches of so many threads take, with batching and without."""
    results = read("concurrent_search")
    found = results["results"]
    rows = [
        f"| | threads | batching | {' | '.join(HEADS)} |",
        "|---|--:|---|" + "--:|" * len(HEADS),
    ]
    for kind, by_threads in found["searches"].items():
        for threads, measured in by_threads.items():
            rows += [row(kind, threads, mode, measured) for mode in ("on", "off")]
    counts = (
        f"{found['pictures']} pictures and {found['texts']} chunks of text, {found['rounds']} "
        f"rounds; load average {found['load average before']} before and "
        f"{found['load average after']} after."
    )
    return lines(f"{origin(results)} {counts}", "", *rows)


def row(kind: str, threads: str, mode: str, measured: dict[str, Any]) -> str:
    one = measured[f"batching {mode}"]
    rates = [one[f"searches a second, {which}"] for which in ("median", "least", "most")]
    cells = (
        f"{rates[0]:g} ({rates[1]:g} to {rates[2]:g})",
        f"{one['p50, ms']:.0f}",
        f"{one['p95, ms']:.0f}",
        f"{one['processor ms a search, median']:.0f}",
        f"{measured['inputs of a batch, mean']:g}" if mode == "on" else "1",
    )
    return f"| {kind} | {threads} | {mode} | {' | '.join(cells)} |"


def server_table() -> str:
    """Return what crowds of clients met at a server, beside the same searches in process."""
    results = read("server_load")
    found = results["results"]
    searches = [
        ("in process, 1 thread", found["in process"]["1 thread"], "–"),
        ("in process, 50 threads", found["in process"]["50 threads"], "–"),
        ("server, 1 client", found["one client"], found["one client"]["errors"]),
        ("server, 50 clients", found["50 clients"], found["50 clients"]["errors"]),
    ]
    rows = [
        "| searches | a second | p50, ms | p95, ms | p99, ms | errors |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {one['per second']:g} | {percentiles(one)} | {errors} |"
            for name, one, errors in searches
        ),
    ]
    streams = found["20 streams"]
    spoken = streams["whole answer, as the model speaks it, ms"]
    answers = [
        "| 20 streamed answers at once | p50, ms | p95, ms | p99, ms |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {percentiles(streams[name])} |"
            for name in ("first token", "between tokens", "whole answer")
        ),
    ]
    told = (
        f"{found['items']} items; load average {found['load average before']} before. "
        f"{streams['answers']} answers, {streams['errors']} errors; the model speaks one in "
        f"{spoken} ms, a word every 20 ms."
    )
    return lines(f"{origin(results)} {told}", "", *rows, "", *answers, "", after(found))


def percentiles(one: dict[str, Any]) -> str:
    return " | ".join(f"{one[f'p{share} ms']:g}" for share in (50, 95, 99))


def after(found: dict[str, Any]) -> str:
    killed = found["killed clients"]
    states = ("server before", "server after searches", "server after answers", "server at the end")
    memory = ", ".join(f"{found[state]['memory MB']}" for state in states)
    files = ", ".join(f"{found[state]['files']}" for state in states)
    return (
        f"{killed['answers at work when they were killed']} clients killed in the midst of their "
        f"answers: all places free after {killed['seconds until all places were free']:g} s, the "
        f"chat model let go after {killed['seconds until the chat model was let go']:g} s, "
        f"{killed['errors of searches after that']} errors after that. Memory of the server in MB "
        f"before, after searches, after answers, at the end: {memory}; open files: {files}."
    )


def page_table() -> str:
    """Return what browsers with the page saw of their answers, one alone and many at once."""
    results = read("page_load")
    found = results["results"]
    crowds = {name: one for name, one in found.items() if re.fullmatch(r"[0-9]+ pages?", name)}
    rows = [
        "| | answers | errors | seen | p50, ms | p95, ms | p99, ms |",
        "|---|--:|--:|---|--:|--:|--:|",
        *(
            f"| {crowd} | {one['answers']} | {one['errors']} | {what} | {percentiles(one[what])} |"
            for crowd, one in crowds.items()
            for what in ("first words", "between changes of the text", "whole answer")
        ),
    ]
    spoken = found["1 page"]["whole answer, as the model speaks it, ms"]
    closed = found["closed pages"]
    states = ("server before", "server after answers", "server at the end")
    told = (
        f"{found['items']} items; load average {found['load average before']} before; the model "
        f"speaks an answer in {spoken} ms. A page opens in {found['seconds to open a page']:g} s."
    )
    ended = (
        f"{closed['answers at work when they were closed']} pages closed in the midst of their "
        f"answers: all places free after {closed['seconds until all places were free']:g} s, the "
        f"chat model let go after {closed['seconds until the chat model was let go']:g} s. "
        f"Memory of the server in MB before, after the answers, at the end: "
        f"{', '.join(str(found[state]['memory MB']) for state in states)}."
    )
    return lines(f"{origin(results)} {told}", "", *rows, "", ended)


TABLES = {
    "concurrent_search": concurrency_table,
    "page_load": page_table,
    "server_load": server_table,
}
