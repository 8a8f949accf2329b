"""`florilegium models list`, `verify`, `path` and `remove`: the models on disk, and their cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from florilegium.cli import options
from florilegium.cli.exit_codes import FAILED
from florilegium.cli.render import (
    clean,
    in_units,
    is_interactive,
    make_table,
    print_json,
    print_line,
    print_table,
    reported_errors,
    talk,
)
from florilegium.config import models_folder
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.errors import ConfigError, WeightsNotFoundError
from florilegium.model_cards import ModelCard, read_cards
from florilegium.model_records import RECORD_NAME, ModelKind, section_of
from florilegium.models import (
    Damage,
    FileProblem,
    InstalledModel,
    UnreadableModel,
    check_files,
    find_model,
    installed_models,
    interrupted_models,
    open_model,
    record_kind,
    remove_model,
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A card, or a hub repository OWNER/NAME.")
]

INSTALLED, PARTLY, UNREADABLE, ABSENT = "installed", "partly fetched", "damaged", "not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One line of the list: a card, a model on disk, or both."""

    name: str
    state: str
    card: ModelCard | None
    model: InstalledModel | UnreadableModel | None

    @property
    def kind(self) -> ModelKind | None:
        """Return the backend that opens the model, None where nothing says which."""
        if isinstance(self.model, InstalledModel):
            return record_kind(self.model.record)
        return self.card.kind if self.card else None


def list_models(*, as_json: options.JsonOption = False, debug: options.DebugOption = False) -> None:
    """List the models that have a card, and those that are installed."""
    with reported_errors(debug=debug, as_json=as_json):
        rows = list(model_rows(models_folder()))
        if as_json:
            print_json([_to_json(row) for row in rows])
            return
        table = make_table(
            "model", "state", "kind", "size", "dim", "languages", "licence", "COCO R@1"
        )
        for row in rows:
            style = "bold" if row.state == INSTALLED else None
            table.add_row(*(Text(clean(cell)) for cell in _cells(row)), style=style)
        print_table(table)


def verify(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Models, or folders.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Verify all installed models.")] = False,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Hash every file of a model, and compare it with its record.

    Exit code 1 means that a file is missing or changed. A file that is not in the record is named,
    but is no fault, since nothing reads it.
    """
    with reported_errors(debug=debug, as_json=as_json):
        found = [_verified(model) for model in _chosen(names or [], every=every)]
        if as_json:
            print_json([_verified_to_json(model, problems) for model, problems in found])
        else:
            _print_verified(found)
        if not all(_is_well(problems) for _, problems in found):
            raise typer.Exit(FAILED)


def show_path(
    *,
    name: NameArgument,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Print the folder of an installed model."""
    with reported_errors(debug=debug, as_json=as_json):
        model = find_model(name, folder=models_folder())
        if as_json:
            print_json({"name": model.name, "folder": str(model.folder)})
        else:
            print_line(str(model.folder))


def remove(
    *,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Delete an installed model, and what is partly fetched of it."""
    with reported_errors(debug=debug, as_json=as_json):
        if not (yes or _is_agreed(name)):
            talk("nothing was deleted")
            raise typer.Exit(FAILED)
        freed = remove_model(name, folder=models_folder())
        if as_json:
            print_json({"name": name, "freed": freed})
        else:
            talk(f"removed {name!r}, {in_units(freed)} are free again")


def model_rows(folder: Path) -> Iterator[ModelRow]:
    """Yield the cards in their order, then the other models on disk, by name."""
    installed = {model.name: model for model in installed_models(folder)}
    partly = set(interrupted_models(folder)) - set(installed)
    cards = {card.name: card for card in read_cards()}
    for name in dict.fromkeys([*cards, *sorted({*installed, *partly})]):
        model = installed.get(name)
        if isinstance(model, InstalledModel):
            state = INSTALLED
        elif model is not None:
            state = UNREADABLE
        else:
            state = PARTLY if name in partly else ABSENT
        yield ModelRow(name=name, state=state, card=cards.get(name), model=model)


def _cells(row: ModelRow) -> list[str]:
    card = row.card
    data = _to_json(row)
    languages = data["languages"]
    coco = (
        next((n.value for n in card.numbers if n.task.startswith("COCO")), None) if card else None
    )
    return [
        row.name,
        row.state,
        row.kind or "",
        in_units(data["size"]) if isinstance(data["size"], int) else "",
        str(data["dim"] or ""),
        ", ".join(languages) if isinstance(languages, list) else "",
        str(data["licence"] or ("see --json" if data["licence_note"] else "")),
        "" if coco is None else f"{coco:.1f}",
    ]


def _to_json(row: ModelRow) -> dict[str, object]:
    card = row.card
    section = section_of(row.kind) if row.kind else None
    data: dict[str, object] = {
        "name": row.name,
        "state": row.state,
        "encoder": row.kind if section == "encoder" else None,
        "chat_model": row.kind if section == "chat" else None,
        "reranker": row.kind if section == "rerank" else None,
        "title": card.title if card else None,
        "about": card.about if card else None,
        "source": card.source if card else None,
        "revision": card.revision if card else None,
        "licence": card.licence if card else None,
        "licence_note": card.licence_note if card else None,
        "size": (card.size or None) if card else None,
        "dim": card.dim if card else None,
        "languages": (list(card.languages) or None) if card else None,
        "numbers": [
            {"task": number.task, "value": number.value, "source": number.source}
            for number in (card.numbers if card else ())
        ],
        "folder": str(row.model.folder) if row.model else None,
        "precisions": [],
        "problem": row.model.problem if isinstance(row.model, UnreadableModel) else None,
    }
    return data | (_installed_to_json(row.model) if isinstance(row.model, InstalledModel) else {})


def _installed_to_json(model: InstalledModel) -> dict[str, object]:
    record = model.record
    known = {
        "source": record.origin.get("source"),
        "revision": record.origin.get("revision"),
        "licence": record.origin.get("licence"),
        "languages": list(record.languages) if record.languages else None,
    }
    data: dict[str, object] = {key: value for key, value in known.items() if value}
    data["size"] = sum(file.size for file in record.files)
    if isinstance(record, ModelRecord):
        data |= {"dim": record.dim, "precisions": list(record.variants)}
    return data


def _chosen(names: list[str], *, every: bool) -> list[InstalledModel | UnreadableModel]:
    folder = models_folder()
    if every:
        return installed_models(folder)
    if not names:
        raise ConfigError("Nothing is named to verify.", hint="Name a model, or give --all.")
    return [_find(name, folder) for name in names]


def _find(name: str, folder: Path) -> InstalledModel:
    try:
        return find_model(name, folder=folder)
    except WeightsNotFoundError:
        if not Path(name).is_dir():
            raise
    return open_model(Path(name))


def _verified(
    model: InstalledModel | UnreadableModel,
) -> tuple[InstalledModel | UnreadableModel, list[FileProblem]]:
    if isinstance(model, UnreadableModel):
        broken = FileProblem(path=RECORD_NAME, damage=Damage.CHANGED, message=model.problem)
        return model, [broken]
    return model, list(check_files(model.folder, model.record))


def _is_well(problems: list[FileProblem]) -> bool:
    return all(problem.damage is Damage.EXTRA for problem in problems)


def _print_verified(
    found: list[tuple[InstalledModel | UnreadableModel, list[FileProblem]]],
) -> None:
    table = make_table("", "model", "file", "finding")
    for model, problems in found:
        if _is_well(problems):
            count = len(model.record.files) if isinstance(model, InstalledModel) else 0
            table.add_row(Text("ok", style="green"), Text(clean(model.name)), "", f"{count} files")
        for problem in problems:
            mark = Text("extra") if problem.damage is Damage.EXTRA else Text("WRONG", "bold red")
            cells = (model.name, problem.path, problem.message)
            table.add_row(mark, *(Text(clean(cell)) for cell in cells))
    print_table(table)
    for model, problems in found:
        if not _is_well(problems):
            talk(f"`florilegium models pull {model.name}` mends what came from a hub")


def _verified_to_json(
    model: InstalledModel | UnreadableModel, problems: list[FileProblem]
) -> dict[str, object]:
    return {
        "name": model.name,
        "folder": str(model.folder),
        "ok": _is_well(problems),
        "problems": [
            {"path": problem.path, "damage": str(problem.damage), "message": problem.message}
            for problem in problems
        ],
    }


def _is_agreed(name: str) -> bool:
    if not is_interactive():
        raise ConfigError(
            f"Nobody is there to be asked whether {name!r} may be deleted.", hint="Give --yes."
        )
    return typer.confirm(f"Delete the model {name!r}?", err=True)
