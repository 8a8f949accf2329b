"""The models that a server lists, and what the list says of each. Opens no connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A model as its server lists it; `owner` is who the server says made or serves it."""

    id: str
    context_tokens: int | None = None
    owner: str = ""
    aliases: tuple[str, ...] = ()


def read_models(listed: object) -> list[ListedModel] | None:
    """Return the models of an answer to `/models`; None if it is no such list."""
    if not isinstance(listed, Mapping):
        return None
    rows = listed.get("data")
    if rows is None and listed.get("object") == "list":
        return []  # what some servers say while no model is loaded
    if not isinstance(rows, list):
        return None
    return [
        _read(row) for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str)
    ]


def find_model(models: Sequence[ListedModel], name: str) -> ListedModel | None:
    """Return the model that a server would take for `name`, if its list says so."""
    for model in models:
        if name in {model.id, *model.aliases} or model.id == f"{name}:latest":
            return model
    # llama-server has one model and answers to any name.
    if len(models) == 1 and models[0].owner == "llamacpp":
        return models[0]
    return None


def name_models(models: Sequence[ListedModel]) -> str:
    """Return the names of models for a message, not too many."""
    names = [repr(model.id) for model in models[:_MOST_NAMED]]
    more = len(models) - len(names)
    return ", ".join([*names, *([f"and {more} more"] if more else [])]) or "none"


def _read(row: Mapping[str, object]) -> ListedModel:
    meta = row.get("meta")
    aliases = row.get("aliases")
    sizes = [meta.get("n_ctx") if isinstance(meta, Mapping) else None]
    sizes += [row.get(key) for key in _CONTEXT_KEYS]
    return ListedModel(
        id=str(row["id"]),
        context_tokens=next((size for size in sizes if _is_size(size)), None),
        owner=str(row.get("owned_by") or ""),
        aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
    )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
