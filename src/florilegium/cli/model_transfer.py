"""`florilegium models pull` and `bundle`: models from a hub, and to machines without a network."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as ProgressBar

from florilegium.cli import options
from florilegium.cli.models import NameArgument, in_units
from florilegium.cli.render import (
    clean,
    print_json,
    print_line,
    reported_errors,
    talk,
    talk_console,
)
from florilegium.config import models_folder
from florilegium.errors import ConfigError
from florilegium.model_bundles import BUNDLE_SUFFIX, read_bundle, write_bundle
from florilegium.model_cards import find_card
from florilegium.model_pull import PulledModel, PullProgress, pull_model
from florilegium.models import InstalledModel
from florilegium.types import Precision

PULLED_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")


def pull(
    *,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A card, a hub repository OWNER/NAME, or a bundle FILE.tar."
        ),
    ],
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="REVISION",
            help="A commit, branch or tag; by default that of the card, else the newest.",
            show_default=False,
        ),
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="PRECISION",
            help="fp16, to fetch it besides fp32. May be given again.",
            show_default=False,
        ),
    ] = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Fetch a model, check it, and print the setting that uses it.

    A model that is there keeps its revision; what is damaged or missing of it is fetched again.
    When it is stopped, it goes on the next time where it was.
    """
    with reported_errors(debug=debug, as_json=as_json):
        chosen = parse_precisions(precisions, PULLED_PRECISIONS)
        if name.endswith(BUNDLE_SUFFIX):
            if revision or precisions:
                raise ConfigError(
                    "A bundle holds one revision in fixed precisions.",
                    hint="Leave --revision and --precision out.",
                )
            pulled = PulledModel(model=read_bundle(Path(name), folder=models_folder()), kept=False)
        else:
            _say_licence(name)
            pulled = _pull(name, revision, chosen)
        _say(pulled)
        show_model(pulled.model, as_json=as_json)


def bundle(
    *,
    name: NameArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The tar file to write.")
    ],
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Write an installed model to one file, for a machine without a network."""
    with reported_errors(debug=debug, as_json=as_json):
        model = write_bundle(name, output, folder=models_folder())
        size = output.stat().st_size
        if as_json:
            print_json({"name": model.name, "file": str(output), "size": size})
            return
        talk(f"wrote {model.name!r} to {str(output)!r}, {in_units(size)}")
        talk(f"on the other machine: `florilegium models pull {shlex.quote(output.name)}`")


def parse_precisions(
    values: Sequence[str] | None, allowed: Sequence[Precision]
) -> tuple[Precision, ...]:
    """Return the precisions that were named. Raises ConfigError for one that is not allowed."""
    by_name: dict[str, Precision] = {precision: precision for precision in allowed}
    for value in values or ():
        if value not in by_name:
            raise ConfigError(
                f"The precision {value!r} is none of {', '.join(allowed)}.",
                hint="Mend --precision.",
            )
    return tuple(by_name[value] for value in values or ())


def show_model(model: InstalledModel, *, as_json: bool) -> None:
    """Print what a model is called in the settings."""
    setting = f"onnx_clip:{model.name}"
    if as_json:
        print_json(
            {
                "name": model.name,
                "folder": str(model.folder),
                "encoder": setting,
                "dim": model.record.dim,
                "precisions": list(model.record.variants),
                "origin": dict(model.record.origin),
            }
        )
    else:
        print_line(f'encoder.name = "{setting}"')


def _pull(name: str, revision: str | None, precisions: Sequence[Precision]) -> PulledModel:
    try:
        with shown_bytes() as progress:
            return pull_model(
                name,
                folder=models_folder(),
                revision=revision,
                precisions=precisions,
                progress=progress,
            )
    except KeyboardInterrupt:
        talk("what was fetched is kept; run it again to go on")
        raise


def _say_licence(name: str) -> None:
    card = find_card(name)
    if card is not None:
        terms = [f"licence: {card.licence}" if card.licence else "licence: not known"]
        talk(". ".join([*terms, *([card.licence_note] if card.licence_note else [])]))


def _say(pulled: PulledModel) -> None:
    model = pulled.model
    revision = model.record.origin.get("revision")
    size = in_units(sum(file.size for file in model.record.files))
    done = "is there already" if pulled.kept else "pulled"
    talk(f"{model.name!r} {done}: {size}, revision {revision or 'not known'}")
    card = find_card(model.name)
    if pulled.kept and card and card.revision not in {None, revision}:
        talk(f"its card names revision {card.revision} by now; what is there is kept")


@contextmanager
def shown_bytes() -> Iterator[Callable[[PullProgress], None]]:
    """Show a progress bar on stderr while the block runs; give what takes the progress."""
    console = talk_console()
    bar = ProgressBar(
        TextColumn("pull"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[path]}", style="dim", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("pull", total=None, path="")

        def show(progress: PullProgress) -> None:
            bar.update(
                task, completed=progress.done, total=progress.total, path=clean(progress.path)
            )

        yield show
