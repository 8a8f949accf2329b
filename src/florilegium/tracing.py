"""Spans for the steps of a run, a search and an answer, once tracing is switched on.

Until then a span costs next to nothing, and OpenTelemetry is not imported. Attributes are counts
and the ids of models, never the text of a question or an item. Knows not where spans are sent.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from florilegium.errors import FlorilegiumError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

Value: TypeAlias = str | bool | int | float | None
"""Value of an attribute; what is None is left out."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Switch:
    """What makes spans; None while tracing is off."""

    tracer: Tracer | None = None
    api: Any = None


class _Nothing:
    """A block that nobody measures."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = _Nothing()


def switch_on(provider: TracerProvider) -> None:
    """Make spans from now on, in all threads, with this provider."""
    _Switch.api = import_module("opentelemetry.trace")
    _Switch.tracer = provider.get_tracer("florilegium")


def switch_off() -> None:
    """Make no spans any more."""
    _Switch.tracer = None


def tracer() -> Tracer | None:
    """Return what makes spans, None while tracing is off."""
    return _Switch.tracer


def trace_id() -> str | None:
    """Return the id of the trace that the step at hand belongs to, 32 hexadecimal digits."""
    if _Switch.tracer is None:
        return None
    context = _Switch.api.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def span(name: str, **attributes: Value) -> AbstractContextManager[None]:
    """Return a block that is one step of what encloses it. A block must not yield inside."""
    if _Switch.tracer is None:
        return _NOTHING
    return _span(_Switch.tracer, name, attributes)


def note(**attributes: Value) -> None:
    """Add attributes to the step that runs now."""
    if _Switch.tracer is not None:
        _Switch.api.get_current_span().set_attributes(named(attributes))


@contextmanager
def request_span(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Make a block the answer to a request, in the trace that its header `traceparent` tells of."""
    if _Switch.tracer is None:
        yield
        return
    kind = _Switch.api.SpanKind.SERVER
    with _span(_Switch.tracer, name, {}, context=_w3c().extract(headers), kind=kind):
        yield


def trace_headers() -> dict[str, str]:
    """Return what another process needs to go on in the step at hand, as headers of W3C's.

    Nothing while tracing is off or outside of any step.
    """
    told: dict[str, str] = {}
    if _Switch.tracer is not None:
        _w3c().inject(told)
    return told


@contextmanager
def going_on(headers: Mapping[str, str]) -> Iterator[None]:
    """Make a block part of the step of another process that `trace_headers` told of there."""
    if _Switch.tracer is None:
        yield
        return
    context = import_module("opentelemetry.context")
    token = context.attach(_w3c().extract(headers))
    try:
        yield
    finally:
        context.detach(token)


def rename(name: str, attributes: Mapping[str, str | int]) -> None:
    """Give the step that runs now another name, and attributes under names of OpenTelemetry's."""
    if _Switch.tracer is not None:
        current = _Switch.api.get_current_span()
        current.update_name(name)
        current.set_attributes(attributes)


def past(name: str, seconds: float) -> None:
    """Make a step of what has just ended and took so long."""
    if _Switch.tracer is not None:
        now = time.time_ns()
        _Switch.tracer.start_span(name, start_time=now - int(seconds * 1e9)).end(now)


def traced(name: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Return a decorator that makes each call of a function one step."""

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            with span(name):
                return function(*args, **kwargs)

        return call

    return decorate


def traced_stream(
    name: str,
) -> Callable[[Callable[_P, Iterator[_T]]], Callable[_P, Iterator[_T]]]:
    """Return a decorator that makes each stream of a generator function one step.

    The step lasts from the first to the last piece; `first_seconds` says when the first one came,
    and `stopped` that the stream was closed before its end. Pieces may be taken by any threads.
    """

    def decorate(function: Callable[_P, Iterator[_T]]) -> Callable[_P, Iterator[_T]]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> Iterator[_T]:
            stream = function(*args, **kwargs)
            return stream if _Switch.tracer is None else _stream(stream, name, _Switch.tracer)

        return call

    return decorate


def named(attributes: Mapping[str, Value]) -> dict[str, str | bool | int | float]:
    """Return attributes under names of ours."""
    return {f"florilegium.{key}": one for key, one in attributes.items() if one is not None}


def mark_failed(made: Span, error: BaseException) -> None:
    """Note the code of an error, not its message, which may quote a question."""
    code = error.code if isinstance(error, FlorilegiumError) else type(error).__name__
    made.set_attribute("error.type", code)
    made.set_status(_Switch.api.StatusCode.ERROR, code)


def _w3c() -> Any:
    return import_module(
        "opentelemetry.trace.propagation.tracecontext"
    ).TraceContextTextMapPropagator()


@contextmanager
def _span(
    tracer: Tracer, name: str, attributes: Mapping[str, Value], **more: Any
) -> Iterator[None]:
    with tracer.start_as_current_span(
        name,
        attributes=named(attributes),
        record_exception=False,
        set_status_on_exception=False,
        **more,
    ) as made:
        try:
            yield
        except BaseException as error:
            mark_failed(made, error)
            raise


def _stream(stream: Iterator[_T], name: str, tracer: Tracer) -> Generator[_T]:
    # It is the current step only while it runs, never while a piece is with the reader: there,
    # another thread may go on with it.
    api, began = _Switch.api, time.perf_counter()
    made = tracer.start_span(name)
    is_first = True
    try:
        while True:
            with api.use_span(made, record_exception=False, set_status_on_exception=False):
                try:
                    piece = next(stream)
                except StopIteration:
                    return
            if is_first:
                seconds = time.perf_counter() - began
                made.set_attributes(named({"first_seconds": seconds}))
                is_first = False
            yield piece
    except GeneratorExit:
        made.set_attributes(named({"stopped": True}))
        raise
    except BaseException as error:
        mark_failed(made, error)
        raise
    finally:
        with api.use_span(made, record_exception=False, set_status_on_exception=False):
            if isinstance(stream, Generator):
                stream.close()
        made.end()
