"""The evaluations of a library on disk: each a file whose name begins with its time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from florilegium.errors import ConfigError, StoreError
from florilegium.evaluation_report import EvaluationReport, report_from_json, report_to_json

FOLDER: Final = "evaluations"
LAST: Final = "last"
_COMPARED = ".compared"
_OTHER_CHARACTERS = re.compile(r"[^\w.-]+")


def store_report(report: EvaluationReport, folder: Path, *, compared: bool = False) -> Path:
    """Write a report into `evaluations/` of the folder of an index, and return its file.

    Args:
        report: What was measured.
        folder: The folder of the index, `.florilegium`.
        compared: Whether it was measured under another setting than the library has, only to be
            compared: then it is never `last`.

    Raises:
        StoreError: It cannot be written.
    """
    target = folder / FOLDER
    time = report.date.partition(".")[0].partition("+")[0].replace("-", "").replace(":", "")
    stem = f"{time}-{_OTHER_CHARACTERS.sub('-', report.name).strip('-.') or 'queries'}"
    suffix = f"{_COMPARED if compared else ''}.json"
    text = json.dumps(report_to_json(report), ensure_ascii=False, indent=1) + "\n"
    try:
        target.mkdir(exist_ok=True)
        number = 1
        file = target / f"{stem}{suffix}"
        while file.exists():
            number += 1
            file = target / f"{stem}-{number:02d}{suffix}"
        partial = file.with_name(f"{file.name}.partial")
        partial.write_text(text, encoding="utf-8", errors="replace")
        partial.replace(file)
    except OSError as error:
        raise StoreError(
            f"The evaluation cannot be written into {str(target)!r}: {error.strerror}.",
            hint="Check that you may write to the folder .florilegium of the library.",
        ) from error
    return file


def stored_reports(folder: Path) -> list[Path]:
    """Return the files of all stored reports, the oldest first."""
    return sorted((folder / FOLDER).glob("*.json"), key=lambda file: _sortable(file.stem))


def find_report(which: str, folder: Path) -> Path:
    """Return the file of a report: `last` is the newest of this library, anything else a file.

    A file that is not there is looked for among those of the library, with or without `.json`.

    Raises:
        ConfigError: There is none.
    """
    stored = stored_reports(folder)
    if which == LAST:
        own = [file for file in stored if not file.stem.endswith(_COMPARED)]
        if not own:
            raise ConfigError(
                "This library has no stored evaluation.",
                hint="Run `florilegium eval FILE`, which stores one.",
            )
        return own[-1]
    named = Path(which)
    if named.is_file():
        return named
    for file in stored:
        if which in (file.name, file.stem):
            return file
    raise ConfigError(
        f"There is no evaluation {which!r}.",
        hint=f"Name one of the files in .florilegium/{FOLDER}, or `{LAST}`.",
    )


def read_report(file: Path) -> EvaluationReport:
    """Return a stored report. Raises ConfigError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The evaluation {str(file)!r} cannot be read: {error.strerror}.",
            hint="Name a file that `florilegium eval FILE` has stored.",
        ) from error
    return report_from_json(data, name=str(file))


def _sortable(stem: str) -> tuple[str, str]:
    # The second one of a second, `TIME-name-02`, comes after `TIME-name`.
    time, _, name = stem.partition("-")
    return time, name
