"""Puts the application under watch: a log and traces of its requests, and its metrics at /metrics.

Knows where the service keeps what is asked for; counts nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from florilegium.errors import FlorilegiumError, ForbiddenError
from florilegium.server.metrics import Line, Metrics, Shelf, State
from florilegium.server.request_log import RequestLog
from florilegium.server.request_traces import RequestTraces, trace_request
from florilegium.server.rest.routes import ERRORS, Responses
from florilegium.server.service import Service
from florilegium.server.users import User
from florilegium.server.workers import Workers


def watch_requests(app: FastAPI, metrics: Metrics | None) -> None:
    """Log, trace and count the requests of an application.

    Called after all other middleware was added, so that it stands outside of it.
    """
    told = [trace_request, *([metrics.requested] if metrics else [])]
    app.add_middleware(RequestLog, told=told)
    app.add_middleware(RequestTraces)


def add_metrics(
    app: FastAPI, service: Service, metrics: Metrics, *, current_user: Callable[..., Any]
) -> None:
    """Serve the metrics at /metrics, to users who see all libraries.

    Args:
        app: Where to add it.
        service: Whose lines, libraries and jobs are counted.
        metrics: What has been counted.
        current_user: Gives the user of a request, or raises.
    """

    asking = Depends(current_user)

    described: Responses = {200: {"content": {"text/plain": {}}, "description": "The metrics."}}

    @app.get(
        "/metrics", tags=["server"], response_class=Response, responses={**ERRORS, **described}
    )
    async def show(user: User = asking) -> Response:
        """Return the metrics in the text format of Prometheus."""
        if user.libraries is not None:
            raise ForbiddenError(
                f"{user.name!r} may not see the metrics, which tell of all libraries.",
                hint="Ask as a user who sees every library.",
            )
        state = await read_state(service, user)
        return Response(metrics.render(state), media_type=CONTENT_TYPE_LATEST)


async def read_state(service: Service, user: User) -> State:
    """Return how the server is now; a library that cannot be counted is left out."""
    libraries = {served.name: served.library for served in service.libraries(user)}
    names = list(libraries)
    shelves = await asyncio.gather(*(_shelf(service, user, name) for name in names))
    return State(
        lines={
            "search": _line(service.searches),
            "answer": _line(service.answers),
            "read": _line(service.reads),
            "decode": _line(service.decodes),
        },
        shelves={name: one for name, one in zip(names, shelves, strict=True) if one},
        batches={name: library.batch_counts() for name, library in libraries.items()},
    )


def _line(workers: Workers) -> Line:
    return Line(running=workers.running, places=workers.most_running, waiting=workers.waiting)


async def _shelf(service: Service, user: User, name: str) -> Shelf | None:
    ingesting = any(job.state == "running" for job in service.jobs(user, name))
    try:
        found = await service.statistics(user, name)
    except FlorilegiumError:  # nothing was ingested yet, or the server is too busy to count
        return None
    return Shelf(
        items={"image": found.images, "text": found.texts},
        files=found.sources,
        failed=len(found.failed),
        ingesting=ingesting,
    )
