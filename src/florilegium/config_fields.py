"""Every setting with its type, default and description, as a table. Knows no values."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from florilegium.config import Config


def describe_fields() -> list[tuple[str, str, str, str]]:
    """Return (key, type, default, description) of every setting, in order."""
    rows: list[tuple[str, str, str, str]] = []
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key, inner in section.model_fields.items():
                rows.append((f"{name}.{key}", *_describe(inner)))
        else:
            rows.append((name, *_describe(field)))
    return rows


def _describe(field: Any) -> tuple[str, str, str]:
    annotation = field.annotation
    kind = getattr(annotation, "__name__", str(annotation))
    kind = "list of str" if "tuple" in str(annotation) else kind
    kind = "str" if kind == "Literal" else kind
    return kind, str(field.default), field.description or ""
