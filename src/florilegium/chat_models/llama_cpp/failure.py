"""Why a model cannot be loaded. llama.cpp says it to the terminal only.

So the model is loaded once more in a process of its own, whose terminal is read here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from florilegium.errors import WeightsNotFoundError

_SECONDS: Final = 120.0
_LONGEST: Final = 300
# A server that was loaded now and then never ends, so nothing of it is taken down.
_LOAD: Final = """
import os
import sys
from pathlib import Path
import xllamacpp
from florilegium.chat_models.llama_cpp.engine import Setup, make_params
model, mmproj, context = sys.argv[1:]
try:
    server = xllamacpp.Server(make_params(
        Setup(
            model=Path(model),
            mmproj=Path(mmproj) if mmproj else None,
            context_tokens=int(context),
            threads=1,
        ),
        verbosity=1,
    ))
finally:
    os._exit(0)
"""
# A line of its log: time, E for error, and the function that says it.
_ERROR: Final = re.compile(r"^[\d.]+ E\s+(?:\w+\s*:\s*)?(.*\S)", re.MULTILINE)


def explain_failure(model: Path, mmproj: Path | None, context_tokens: int) -> WeightsNotFoundError:
    """Return the error for a model that could not be loaded, with llama.cpp's reason."""
    command = [sys.executable, "-c", _LOAD, str(model), str(mmproj or ""), str(context_tokens)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
        reason = find_reason(done.stderr)
    except (OSError, subprocess.TimeoutExpired):
        reason = ""
    names = repr(str(model)) if mmproj is None else f"{str(model)!r} with {str(mmproj)!r}"
    return WeightsNotFoundError(
        f"llama.cpp cannot load {names}: {reason or 'it does not say why'}.",
        hint="The file is damaged, too new for the installed xllamacpp, or too big for the "
        "memory; or it and the vision part are of two models.",
    )


def find_reason(log: str) -> str:
    """Return the first error of llama.cpp's log, without a full stop; empty if there is none."""
    found = _ERROR.search(log)
    return found[1][:_LONGEST].rstrip(".") if found else ""
