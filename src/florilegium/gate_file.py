"""`gate.json` of a library: the threshold of its gate as it was measured, and how good it was.

Knows the format and nothing of how a threshold is measured or used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from florilegium.errors import StoreError

GATE_FILE: Final = "gate.json"
_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class MeasuredGate(BaseModel):
    """What an evaluation measured of the gate.

    A question is refused when its confidence is below `threshold`. `precision` is the share of
    refusals that were right, `recall` the share of unanswerable questions that were refused, over
    `questions` labelled ones. `encoders` maps the name of each encoder to its fingerprint: with
    other encoders the threshold means nothing. `date` is ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    threshold: _Fraction
    precision: _Fraction
    recall: _Fraction
    f1: _Fraction
    questions: int = Field(ge=1)
    date: str
    encoders: Mapping[str, str]


def write_gate(folder: Path, gate: MeasuredGate) -> Path:
    """Write `gate.json` into the folder of an index, whole or not at all, and return the file.

    Raises:
        StoreError: It cannot be written.
    """
    file = folder / GATE_FILE
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.write_text(gate.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise StoreError(
            f"The measured threshold {str(file)!r} cannot be written: {error.strerror}.",
            hint="Check that you may write to the folder .florilegium of the library.",
        ) from error
    return file


def read_gate(folder: Path) -> MeasuredGate | None:
    """Return what `gate.json` in the folder of an index says; None when there is none.

    Raises:
        StoreError: It cannot be read, or is damaged.
    """
    file = folder / GATE_FILE
    try:
        return MeasuredGate.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StoreError(
            f"The measured threshold {str(file)!r} cannot be used: {_reason(error)}.",
            hint="Measure it again with `florilegium eval FILE --store-threshold`, or remove it.",
        ) from error


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
