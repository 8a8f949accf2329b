"""One run of ingest in a process of its own, told to the server line by line.

Run as `python -m florilegium.server.ingest_worker`. Reads one JSON object from stdin: the order,
and for log and traces which job it is, and whose request. Ctrl-C ends the run as it does for the
command line: what is done stays done.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from types import TracebackType
from typing import TextIO

from florilegium import tracing
from florilegium.errors import FlorilegiumError
from florilegium.library import Library
from florilegium.serialize import Json, report_to_json
from florilegium.server.logs import set_up_logging
from florilegium.server.plain_errors import plain_report
from florilegium.trace_export import sending_traces

logger = logging.getLogger("florilegium.server.ingest_worker")  # also where it is __main__


def main(out: TextIO) -> int:
    """Run ingest, tell of it on `out`, and return the exit code of the process.

    Where nobody listens any more, since the server was killed, the run ends; what is done stays
    done.
    """
    try:
        return _run(out)
    except BrokenPipeError:
        return 1


def _run(out: TextIO) -> int:
    # A process that was started in the background may have been told to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(sys.stdin.readline())
    try:
        with Library.open(order["folder"], overrides=order["overrides"]) as library:
            config = library.settings.config.server
            set_up_logging(config, request=order["request"], job=order["job"])
            with sending_traces(config.traces), tracing.going_on(order["trace"]):
                report = library.ingest(
                    rebuild=order["rebuild"],
                    allow_empty=order["allow_empty"],
                    progress=lambda progress: _tell(out, {"progress": asdict(progress)}),
                )
    except FlorilegiumError as error:
        _tell(out, {"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return 1
    except KeyboardInterrupt:
        return 1  # before there was anything to report
    _tell(out, {"report": plain_report(report_to_json(report))})
    return 0


def _tell(out: TextIO, what: Json) -> None:
    out.write(json.dumps(what) + "\n")
    out.flush()


def line_to_server() -> TextIO:
    """Return what stdout was; whatever else is written there goes to stderr from now on."""
    line = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return line


def log_crash(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Write an error that nobody caught as other lines of the log are, with its traceback."""
    logger.critical("The run of ingest crashed.", exc_info=(kind, error, at))


if __name__ == "__main__":
    sys.excepthook = log_crash
    sys.exit(main(line_to_server()))
