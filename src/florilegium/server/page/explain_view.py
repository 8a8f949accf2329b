"""How hits came about: what each ranked list gave to them, and the confidence as a bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from florilegium.server.page.controls import block, words
from florilegium.server.page.texts import Say


def fold(title: str, build: Callable[[], object]) -> ui.expansion:
    """Return a fold whose inside is made when it is first opened, so that a page stays light."""
    expansion = ui.expansion(title).classes("fl-fold").props("dense")
    expansion.props["toggle-aria-label"] = title
    made = False

    def open_fold() -> None:
        nonlocal made
        if expansion.value and not made:
            made = True
            with expansion:
                build()

    expansion.on_value_change(open_fold)
    return expansion


def confidence_bar(say: Say, confidence: float) -> None:
    """Show a confidence in [0, 1] as a bar with its number."""
    percent = round(100 * max(0.0, min(1.0, confidence)))
    with block("fl-confidence"):
        words(say("answer.confidence"), "fl-key")
        meter = block(
            "fl-meter",
            role="meter",
            aria_valuemin="0",
            aria_valuemax="100",
            aria_valuenow=str(percent),
            aria_label=say("answer.confidence"),
        )
        with meter:
            block("fl-meter-fill").style(f"width: {percent}%")
        words(f"{percent} %", "fl-meter-number")


def contributions_table(say: Say, hits: Sequence[Mapping[str, Any]]) -> None:
    """Show for each hit which lists it was in: rank, score, standardised score and weight."""
    with block("fl-scroll", tabindex="0"), block("fl-table", tag="table"):
        with block("", tag="thead"), block("", tag="tr"):
            for key in ("answer.hits", "explain.list", "explain.rank", "explain.score"):
                words(say(key), tag="th")
            words(say("explain.z"), tag="th")
            words(say("explain.weight"), tag="th")
        with block("", tag="tbody"):
            for hit in hits:
                _rows(hit)


def _rows(hit: Mapping[str, Any]) -> None:
    parts: Sequence[Mapping[str, Any]] = hit.get("contributions") or []
    with block("fl-hit-row", tag="tr"):
        words(f"{hit['rank']}. {hit['path']}", tag="td")
        words("", tag="td")
        words("", tag="td")
        words(f"{hit['score']:z.3f}", "fl-figure", tag="td")
        words(f"{hit['fused']:.2f}", "fl-figure", tag="td")
        words("", tag="td")
    for part in parts:
        with block("", tag="tr"):
            words("", tag="td")
            words(str(part["ranking"]), tag="td")
            words("–" if part["rank"] is None else str(part["rank"]), "fl-figure", tag="td")
            words(f"{part['score']:z.3f}", "fl-figure", tag="td")
            words(f"{part['z']:.2f}", "fl-figure", tag="td")
            words(f"{part['weight']:.2f}", "fl-figure", tag="td")
