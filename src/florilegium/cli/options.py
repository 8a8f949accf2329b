"""The options that all commands share, and how a command opens its library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from florilegium.config import read_setting
from florilegium.errors import ConfigError
from florilegium.filters import Filter, parse_filter
from florilegium.library import Library
from florilegium.redaction import hide_secrets

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="PATH",
        help="The library folder; by default the nearest one upwards from here.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a setting, e.g. retrieval.top_k=3. May be given again.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
ImageOption = Annotated[
    Path | None,
    typer.Option("--image", metavar="FILE", help="A picture to search with.", show_default=False),
]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        metavar="FILE",
        help="A picture to search with. May be given again.",
        show_default=False,
    ),
]
FolderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--folder",
        metavar="PATH",
        help="Only what lies in this folder of the library. May be given again, as all filters.",
        show_default=False,
    ),
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type", metavar="SUFFIX", help="Only files of this kind, e.g. jpg.", show_default=False
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME",
        help="Only what has this label, or lies in a folder of this name.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="DAY", help="Only from this day on: YYYY-MM-DD.", show_default=False
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="DAY", help="Only up to this day: YYYY-MM-DD.", show_default=False
    ),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only what a sidecar, a table or the file itself says this of.",
        show_default=False,
    ),
]
ThumbnailsOption = Annotated[
    bool,
    typer.Option(
        "--thumbnails/--no-thumbnails",
        help="Show found pictures in terminals with true colour; never in pipes.",
    ),
]


def read_filter(
    *,
    folder: Sequence[str] | None,
    kind: Sequence[str] | None,
    label: Sequence[str] | None,
    since: str | None,
    until: str | None,
    where: Sequence[str] | None,
) -> Filter:
    """Return the filter that the six options above say. Raises InvalidQueryError."""
    return parse_filter(
        folders=folder or (),
        suffixes=kind or (),
        labels=label or (),
        since=since,
        until=until,
        fields=where or (),
    )


def parse_overrides(pairs: Sequence[str] | None) -> dict[str, object]:
    """Return the settings given as `section.key=value`, read as those of the environment are.

    Raises:
        ConfigError: A pair has no `=`, or its value is not TOML where it looks like it.
    """
    overrides: dict[str, object] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not (equals and key):
            raise ConfigError(
                f"The override {hide_secrets(pair)!r} is not of the form section.key=value.",
                hint="Write for example `--set retrieval.top_k=3`.",
            )
        overrides[key] = read_setting(key, value)
    return overrides


def open_library(folder: Path | None, pairs: Sequence[str] | None) -> Library:
    """Return the library at `folder`, or the nearest one upwards from the working folder."""
    overrides = parse_overrides(pairs)
    return Library.open(folder or Library.locate(Path.cwd()), overrides=overrides)
