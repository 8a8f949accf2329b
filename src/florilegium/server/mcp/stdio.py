"""MCP over stdin and stdout, for a program that starts this one. It ends when stdin is closed."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from florilegium.config_sections import ServerConfig
from florilegium.library import Library
from florilegium.server.mcp.mcp_server import make_server
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER


def run_stdio(libraries: Mapping[str, Library], *, config: ServerConfig) -> None:
    """Serve libraries to whoever started this process, until stdin ends.

    Nothing but messages is written to stdout, whatever a model or a decoder prints.

    Args:
        libraries: By their names; they stay the caller's to close.
        config: The limits.

    Raises:
        ConfigError: A name of a library is none.
    """
    service = Service(libraries, config=config)
    server = make_server(service, user_of=lambda _: LOCAL_USER)
    try:
        anyio.run(server.run_stdio_async)
    finally:
        service.close()
