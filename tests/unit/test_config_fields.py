"""The table of all settings."""

from __future__ import annotations

from florilegium.config_fields import describe_fields


def test_every_setting_is_described_in_the_order_of_the_tree() -> None:
    rows = describe_fields()

    assert rows[0] == (
        "profile",
        "str",
        "offline",
        "Preset of backends, below all other settings.",
    )
    assert rows[1][:3] == ("encoder.name", "str", "starter")
    by_key = {key: (kind, default) for key, kind, default, _ in rows}
    assert by_key["retrieval.top_k"] == ("int", "8")
    assert by_key["chat.min_confidence"] == ("float", "0.6")
    assert by_key["ingest.exclude"][0] == "list of str"
    assert len(by_key) == len(rows)
