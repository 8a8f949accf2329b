"""Lines of the log: what stands in them, and that no name can forge one."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from florilegium.config_sections import ServerConfig
from florilegium.server.logs import JsonFormatter, TextFormatter, escape, set_up_logging
from florilegium.server.request_notes import noting

NAMES = ("", "florilegium", "uvicorn", "uvicorn.error", "nicegui")


def _record(message: str, **more: object) -> logging.LogRecord:
    record = logging.LogRecord("florilegium.x", logging.INFO, "", 0, message, (), None)
    record.created = 1_800_000_000.5
    record.__dict__.update(more)
    return record


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the loggers back as they were."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(one.level, one.handlers, one.propagate) for one in loggers]
    yield
    for one, (level, handlers, propagate) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.handlers, one.propagate = handlers, propagate
    logging.captureWarnings(capture=False)


def test_a_line_for_people_has_everything() -> None:
    with noting("abc"):
        line = TextFormatter().format(_record("request", fields={"status": 200, "user": "a b"}))

    assert line == (
        '2027-01-15T08:00:00.500+00:00 INFO florilegium.x [abc] request status=200 user="a b"'
    )


def test_a_line_of_json_has_everything() -> None:
    with noting("abc"):
        line = JsonFormatter().format(_record("request", fields={"status": 200}))

    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.500+00:00",
        "level": "info",
        "logger": "florilegium.x",
        "message": "request",
        "request": "abc",
        "status": 200,
    }


def test_all_lines_of_a_job_name_it_and_whose_request_it_was() -> None:
    text, of_json = TextFormatter(request="abc", job="j1"), JsonFormatter(request="abc", job="j1")

    line = text.format(_record("ingest", fields={"files": 2}))
    told = json.loads(of_json.format(_record("ingest", fields={"files": 2})))

    assert line.endswith(" florilegium.x [abc] ingest job=j1 files=2")
    assert (told["request"], told["job"], told["files"]) == ("abc", "j1", 2)
    with noting("at-hand"):
        assert "[at-hand]" in text.format(_record("ingest"))
        assert json.loads(of_json.format(_record("ingest")))["request"] == "at-hand"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "end", ["\n", "\r", "\x0b", "\x1b[31m", "\x85", "\u2028", "\u2029", "\ud800"]
)
def test_a_name_cannot_begin_a_line_or_colour_one(formatter: logging.Formatter, end: str) -> None:
    forged = f"{end}2027-01-15T08:00:00 INFO florilegium.access forged"

    line = formatter.format(_record(f"of {forged}", fields={"user": f"anna{forged}"}))

    assert end not in line
    assert len(line.splitlines()) == 1
    line.encode("utf-8")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_error_cannot_forge_a_line_either(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("secret\n2027-01-15T08:00:00 INFO forged")
    except ValueError as error:
        record = _record("failed", exc_info=(type(error), error, error.__traceback__))

    lines = formatter.format(record).splitlines()

    assert "ValueError" in "".join(lines)
    assert all(line.startswith("    | ") for line in lines[1:])


def test_what_is_printable_stays() -> None:
    assert escape("Ä 蓝 🌹") == "Ä 蓝 🌹"
    assert escape("a\tb\x00\u202e") == "a\\tb\\x00\\u202e"


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_all_loggers_write_the_same_way(log_format: str) -> None:
    stream = io.StringIO()

    set_up_logging(ServerConfig(log_format=log_format), stream=stream)
    logging.getLogger("florilegium.x").info("ours")
    logging.getLogger("uvicorn.error").info("of the server")
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "1", "/?client_id=2")
    logging.getLogger("httpx").info("GET https://secret/")
    logging.getLogger("nicegui").warning("http://127.0.0.1/_nicegui/client/id not found")
    logging.getLogger("other").warning("of others")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("deprecated", stacklevel=1)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    for line, word in zip(lines, ["ours", "of the server", "of others", "deprecated"], strict=True):
        assert word in line
        if log_format == "json":
            assert word in json.loads(line)["message"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_process_for_one_job_says_so_in_every_line(log_format: str) -> None:
    stream = io.StringIO()

    config = ServerConfig(log_format=log_format)
    set_up_logging(config, stream=stream, request="abc", job="j1")
    logging.getLogger("other").warning("of others")

    assert "abc" in stream.getvalue()
    assert "j1" in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_setting_up_twice_writes_once() -> None:
    stream = io.StringIO()

    set_up_logging(ServerConfig(), stream=stream)
    set_up_logging(ServerConfig(), stream=stream)
    logging.getLogger("uvicorn").info("once")

    assert stream.getvalue().count("once") == 1


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_no_line_has_what_is_secret_in_an_address(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("no route to http://anna:s3cr3t@h/v1?key=s3cr3t")
    except ValueError as error:
        record = _record("asked https://h/v1?key=s3cr3t", exc_info=(ValueError, error, None))

    line = formatter.format(record)

    assert "s3cr3t" not in line
    assert "https://h/v1?key=***" in line
    assert "http://***@h/v1?key=***" in line
