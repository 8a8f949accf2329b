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
from florilegium.cli.models import NameArgument
from florilegium.cli.render import (
    clean,
    in_units,
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
from florilegium.model_files import Wish
from florilegium.model_pull import PulledModel, PullProgress, pull_model
from florilegium.model_records import (
    CHAT_KINDS,
    ENCODER_KIND,
    RERANKER_KINDS,
    FolderRecord,
    ModelKind,
    section_of,
)
from florilegium.models import InstalledModel
from florilegium.types import Precision

PULLED_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")

FileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--file",
        metavar="PATTERN",
        help="Which GGUF file to fetch, e.g. '*Q8_0*'; by default Q4_K_M, else Q8_0. May be given "
        "again, for the projector. Of a reranker, which graph, e.g. '*quantized*'.",
        show_default=False,
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="onnx_clip, llama_cpp, transformers, mc_llava or cross_encoder, if the repository has "
        "more than one.",
        show_default=False,
    ),
]


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
            help="fp16, to fetch it besides fp32; for encoders. May be given again.",
            show_default=False,
        ),
    ] = None,
    files: FileOption = None,
    kind: KindOption = None,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Fetch a model, check it, and print the setting that uses it.

    A model that is there keeps its revision; what is damaged or missing of it is fetched again.
    When it is stopped, it goes on the next time where it was.
    """
    with reported_errors(debug=debug, as_json=as_json):
        wish = Wish(
            revision=revision,
            precisions=parse_precisions(precisions, PULLED_PRECISIONS),
            patterns=tuple(files or ()),
            kind=parse_kind(kind),
        )
        if name.endswith(BUNDLE_SUFFIX):
            if wish != Wish():
                raise ConfigError(
                    "A bundle holds one revision, and fixed files of it.",
                    hint="Leave --revision, --precision, --file and --kind out.",
                )
            pulled = PulledModel(model=read_bundle(Path(name), folder=models_folder()), kept=False)
        else:
            _say_licence(name)
            pulled = _pull(name, wish)
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


def parse_kind(value: str | None) -> ModelKind | None:
    """Return the kind of model that was named. Raises ConfigError for one that is not known."""
    kinds: tuple[ModelKind, ...] = (ENCODER_KIND, *CHAT_KINDS, *RERANKER_KINDS)
    by_name = {kind: kind for kind in kinds}
    if value is not None and value not in by_name:
        raise ConfigError(
            f"The kind {value!r} is none of {', '.join(by_name)}.", hint="Mend --kind."
        )
    return None if value is None else by_name[value]


def show_model(model: InstalledModel, *, as_json: bool) -> None:
    """Print what a model is called in the settings."""
    if not as_json:
        print_line(model.setting)
        return
    record = model.record
    data: dict[str, object] = {"name": model.name, "folder": str(model.folder)}
    if isinstance(record, FolderRecord):
        key = "reranker" if section_of(record.kind) == "rerank" else "chat_model"
        data |= {key: model.backend, "files": [file.path for file in record.files]}
    else:
        data |= {
            "encoder": model.backend,
            "dim": record.dim,
            "precisions": list(record.variants),
        }
    print_json(data | {"origin": dict(record.origin)})


def _pull(name: str, wish: Wish) -> PulledModel:
    try:
        with shown_bytes() as progress:
            return pull_model(name, folder=models_folder(), wish=wish, progress=progress)
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
    if card is None:
        talk(f"licence: {model.record.origin.get('licence', 'not known')}")
    if isinstance(model.record, FolderRecord):
        talk("checked by sizes and hashes only, since only encoders have a self-test")
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
