"""`florilegium models export`: a model of PyTorch as a folder of ONNX graphs."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from florilegium.cli import options
from florilegium.cli.model_transfer import parse_precisions, show_model
from florilegium.cli.render import reported_errors, talk
from florilegium.config import models_folder
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.errors import ConfigError, MissingExtraError
from florilegium.models import InstalledModel
from florilegium.types import Precision

EXPORTED_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
EXPORTER = "florilegium.exporting.export"
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")


def export(
    *,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="open_clip:NAME/TAG, open_clip:NAME:CHECKPOINT, or a folder or hub repository "
            "that transformers reads.",
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="TARGET",
            help="The folder to write; by default one among the installed models.",
            show_default=False,
        ),
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="PRECISION",
            help="fp32, fp16 or int8; by default fp32. May be given again.",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="FOLDER",
            help="Pictures to fit int8 to, and to measure its drift on.",
            show_default=False,
        ),
    ] = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Make a folder of ONNX graphs from an OpenCLIP or transformers model.

    It measures how far fp16 and int8 drift from fp32, and says so.
    """
    with reported_errors(debug=debug, as_json=as_json):
        chosen = parse_precisions(precisions, EXPORTED_PRECISIONS) or ("fp32",)
        folder = target or models_folder() / export_name(source)
        if folder.exists():
            raise ConfigError(
                f"{str(folder)!r} exists.", hint="Name another TARGET, or remove the folder."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        export_model = _load_exporter()
        record = export_model(source, folder, precisions=chosen, pictures=pictures, say=talk)
        model = InstalledModel(
            name=str(target) if target else folder.name, folder=folder, record=record
        )
        show_model(model, as_json=as_json)


def export_name(source: str) -> str:
    """Return the name of the folder for what is exported from `source`."""
    _, _, rest = source.rpartition(":")
    name = _OTHER_CHARACTERS.sub("--", rest.strip("/")).strip("-.")
    if not name:
        raise ConfigError(
            f"No name can be made from {source!r}.", hint="Name the folder to write as TARGET."
        )
    return name


def _load_exporter() -> Callable[..., ModelRecord]:
    # Imported when it is called: it needs packages that only those have who export.
    try:
        exporter: Callable[..., ModelRecord] = import_module(EXPORTER).export_model
    except ImportError as error:
        raise MissingExtraError(
            f"Exporting needs a package that is not installed: {error}.",
            hint="Install it; the how-to page about CLIP says which, and how to get it for CPUs.",
        ) from error
    return exporter
