"""The ASGI application: puts the doors and their guards together. Knows none of what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
from fastapi import Depends, FastAPI

from florilegium.config_sections import ServerConfig
from florilegium.library import Library
from florilegium.server import item_page
from florilegium.server.access import add_access, open_users, warn_of_libraries
from florilegium.server.account_book import Users
from florilegium.server.body_limit import BodyLimit
from florilegium.server.error_answers import add_error_answers
from florilegium.server.head_requests import HeadRequests
from florilegium.server.mcp.http import add_mcp
from florilegium.server.metrics import Metrics
from florilegium.server.observing import UNOBSERVED
from florilegium.server.openai.app import add_openai
from florilegium.server.page.mounting import add_page
from florilegium.server.places import server_folder
from florilegium.server.rest import items, libraries, searching
from florilegium.server.rest.query import check_query
from florilegium.server.rest.routes import known_user
from florilegium.server.served import name_of
from florilegium.server.service import Service
from florilegium.server.watching import add_metrics, watch_requests

_ABOUT = (
    "Answers questions from folders of pictures and texts, with numbered citations. All errors "
    "have one shape; files are reached by the ids of items alone. What answers GET answers HEAD. "
    "MCP is spoken at /mcp, which describes itself."
)


def create_app(
    served: Library | Mapping[str, Library],
    *,
    config: ServerConfig | None = None,
    users: Users | None = None,
) -> FastAPI:
    """Return the ASGI application that serves libraries.

    Args:
        served: A library, which is served under the name of its folder, or libraries by the
            names in addresses. They stay the caller's to close, once the app has stopped.
        config: Limits and doors; the defaults of `ServerConfig` otherwise.
        users: The accounts; by default those of the file that is configured.

    Raises:
        ConfigError: A name cannot stand in addresses, or everybody who reaches the server would
            be let in, or what `add_access` and `open_users` say.
    """
    config = config or ServerConfig()
    users = users or open_users(config)
    named = {name_of(served.root): served} if isinstance(served, Library) else dict(served)
    metrics = Metrics() if config.metrics else None
    warn_of_libraries(users, named)
    service = Service(named, config=config, observer=metrics or UNOBSERVED)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.warming.submit(service.warm_up)
        try:
            async with mcp.running():
                yield
        finally:
            await anyio.to_thread.run_sync(service.close)
            access.close()

    app = FastAPI(
        title="Florilegium",
        version=version("florilegium"),
        description=_ABOUT,
        lifespan=lifespan,
        # The page that Swagger draws would load its script from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    add_error_answers(app)
    for routes in (searching, items, libraries):
        app.include_router(routes.router, dependencies=[Depends(check_query)])
    app.include_router(item_page.router)
    add_openai(app)
    mcp = add_mcp(app, service)
    if metrics is not None:
        add_metrics(app, service, metrics, current_user=known_user)
    if config.page:
        add_page(app, service, folder=server_folder(config))
    app.add_middleware(HeadRequests)
    app.add_middleware(BodyLimit, max_bytes=int(config.max_body_megabytes * 1_000_000))
    app.state.access = access = add_access(app, config=config, users=users)
    watch_requests(app, metrics)
    return app
