"""What this machine's processor is called, and how many of its cores may be used."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_LINUX = Path("/proc/cpuinfo")


def processor_name(source: Path = _LINUX) -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def usable_threads(asked: int) -> int:
    """Return the number that is asked for; for 0, one per core that this process may use."""
    if asked:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
