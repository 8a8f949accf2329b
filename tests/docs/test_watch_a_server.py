"""The page about watching a server names what there is, and nothing else."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from florilegium.batching import BatchCount
from florilegium.server.metrics import Line, Metrics, Shelf, State
from florilegium.types import Modality
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "how-to" / "watch-a-server.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "florilegium"


def _metrics() -> set[str]:
    state = State(
        lines={"search": Line(running=0, places=1, waiting=0)},
        shelves={"a": Shelf(items={"image": 1}, files=1, failed=0, ingesting=False)},
        batches={"a": [BatchCount(encoder="b", modality=Modality.TEXT, batches=1, inputs=1)]},
    )
    families = text_string_to_metric_families(Metrics().render(state).decode())
    return {
        f"{one.name}_total" if one.type == "counter" else one.name
        for one in families
        if not one.name.endswith("_created")
    }


def test_the_page_names_each_metric() -> None:
    ours = {name for name in _metrics() if name.startswith("florilegium_")}

    assert len(ours) > 15
    assert ours == set(re.findall(r"`(florilegium_\w+)`", PAGE))


def test_the_table_has_each_metric_once() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `florilegium_")]
    named = [name for row in rows for name in re.findall(r"`(florilegium_\w+)`", row)]

    assert sorted(named) == sorted(name for name in _metrics() if name.startswith("florilegium_"))


def test_the_page_names_each_span() -> None:
    made = {
        name
        for file in SOURCE.rglob("*.py")
        for name in re.findall(
            r'(?:\bspan|\btraced|traced_stream|\.step|_timed|clock\.note)\("([\w ]+)"',
            file.read_text(encoding="utf-8"),
        )
    }

    assert {"ask", "search", "ingest", "speak", "rerank", "vectors"} <= made
    assert {name for name in made if f"`{name}`" not in PAGE} == set()
