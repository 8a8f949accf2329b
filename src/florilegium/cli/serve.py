"""`florilegium serve`: opens libraries, and serves them until it is told to stop."""

from __future__ import annotations

import logging
import unicodedata
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from florilegium.cli import options
from florilegium.cli.render import reported_errors, talk
from florilegium.config import load_settings
from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError, MissingExtraError
from florilegium.library import Library
from florilegium.server.served import check_name, name_of
from florilegium.trace_export import sending_traces

logger = logging.getLogger(__name__)


def serve(
    *,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--library",
            metavar="[NAME=]PATH",
            help="A library folder, and the name that it has in addresses. May be given again; by "
            "default the nearest one upwards from here.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Where to listen.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", help="Port; 0 takes a free one.", show_default=False),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option("--users", metavar="FILE", help="File of accounts.", show_default=False),
    ] = None,
    uploads: Annotated[
        bool, typer.Option("--uploads", help="Let files be uploaded into the libraries.")
    ] = False,
    settings: options.SetOption = None,
    debug: options.DebugOption = False,
) -> None:
    """Serve libraries to browsers and programs, until Ctrl-C.

    There is a page, an HTTP API, an OpenAI-compatible API, and MCP. Only this machine is let in,
    unless a key or accounts are configured. With several libraries, the settings of the server
    are those of the user's own file, the environment and --set.
    """
    with reported_errors(debug=debug, as_json=False), ExitStack() as stack:
        overrides = options.parse_overrides(settings) | _flags(host, port, users, uploads=uploads)
        named = {
            name: stack.enter_context(Library.open(folder, overrides=overrides))
            for name, folder in folders_of(library).items()
        }
        _serve(named, overrides)


def _serve(named: dict[str, Library], overrides: dict[str, object]) -> None:
    try:
        # Only this command needs these, and they take long to import.
        from florilegium.server.app import create_app  # noqa: PLC0415
        from florilegium.server.logs import set_up_logging  # noqa: PLC0415
        from florilegium.server.running import run  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"The server needs the package {error.name!r}.",
            hint="Run `pip install 'florilegium[server]'`.",
        ) from error
    config = server_config(named, overrides)
    set_up_logging(config)
    app = create_app(named, config=config)
    with sending_traces(config.traces):
        run(
            app,
            config=config,
            tell=partial(_tell, list(named), as_json=config.log_format == "json"),
            drain=app.state.service.drain,
        )


def _tell(names: list[str], at: str, *, as_json: bool) -> None:
    said = f"Serving {', '.join(names)} at {at}"
    if as_json:  # who reads the log line by line finds nothing else on stderr
        logger.info(said, extra={"fields": {"libraries": names, "address": at}})
    else:
        talk(said)


def folders_of(given: list[str] | None) -> dict[str, Path]:
    """Return the folders of libraries by their names, of texts such as `roses=/home/ana/roses`.

    Raises:
        ConfigError: A name is none, or two have the same.
        IndexNotFoundError: None is given, and there is no library upwards from here.
    """
    if not given:
        folder = Library.locate(Path.cwd())
        return {name_of(folder): folder}
    folders: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        folder = Path(path if equals else text).expanduser().absolute()
        name = unicodedata.normalize("NFC", name) if equals else name_of(folder)
        check_name(name)
        if name in folders:
            raise ConfigError(
                f"Two libraries have the name {name!r}.",
                hint=f"Name one of them otherwise: --library other={folder}",
            )
        folders[name] = folder
    return folders


def _flags(
    host: str | None, port: int | None, users: Path | None, *, uploads: bool
) -> dict[str, object]:
    flags = {
        "server.host": host,
        "server.port": port,
        "server.users_file": None if users is None else str(users.expanduser().absolute()),
        "server.uploads": True if uploads else None,
    }
    return {key: value for key, value in flags.items() if value is not None}


def server_config(named: dict[str, Library], overrides: dict[str, object]) -> ServerConfig:
    """Return the settings of a server: those of its library, or the user's own for several."""
    if len(named) == 1:
        [library] = named.values()
        return library.settings.config.server
    server = {key: value for key, value in overrides.items() if key.startswith("server.")}
    return load_settings(None, overrides=server).config.server
