from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Run

COUNTS = ("embeddings", "hashes", "captions")


def counts(ingested: Run, *arguments: str) -> tuple[int, ...]:
    """Return how many vectors, hashes and captions are pruned, as JSON says it."""
    data = json.loads(ingested("cache prune", "--json", *arguments).stdout)
    assert data["dry_run"] is ("--dry-run" in arguments)
    return tuple(data[name] for name in COUNTS)


def test_the_numbers_of_the_cache_are_data(ingested: Run) -> None:
    data = json.loads(ingested("cache stats", "--json").stdout)

    (encoder,) = data["encoders"]
    assert (encoder["name"], encoder["fingerprint"]) == ("fake:32", "fake-32-1")
    assert encoder["count"] > 4
    assert (data["hashes"], data["captions"]) == (2, 0)
    assert data["file_bytes"] > data["free_bytes"]


def test_the_numbers_of_the_cache_are_a_table_too(ingested: Run) -> None:
    lines = ingested("cache stats").stdout.splitlines()

    assert any(line.split()[:2] == ["fake:32", "fake-32-1"] for line in lines)
    assert "2 perceptual hashes and 0 machine captions of pictures" in lines
    assert lines[-1].startswith("the file takes ")


def test_an_encoder_that_is_not_configured_is_marked_so(ingested: Run) -> None:
    other = ingested("cache stats", "--set", "encoder.name=fake:16", *both("fake:16"))

    assert "not configured" in other.stdout
    assert "not configured" not in ingested("cache stats").stdout


def both(name: str) -> tuple[str, ...]:
    return ("--set", f"text_encoder.name={name}")


def test_a_library_without_a_cache_is_exit_code_2(run: Run) -> None:
    result = run("cache stats")

    assert result.exit_code == 2
    assert "There is no embedding cache" in result.stderr
    assert run("cache prune").exit_code == 2


def test_nothing_is_pruned_while_all_is_used(ingested: Run) -> None:
    assert counts(ingested) == (0, 0, 0)
    assert ingested("cache prune").stdout.startswith(
        "removed 0 vectors, 0 perceptual hashes and 0 machine captions, 0 bytes; "
    )


def test_what_a_deleted_file_leaves_is_pruned(ingested: Run, folder: Path) -> None:
    (folder / "poppy.png").unlink()
    (folder / "poppy.txt").unlink()
    assert ingested("ingest").exit_code == 0

    said = counts(ingested, "--dry-run")

    assert said[0] > 2
    assert said[1:] == (1, 0)
    assert ingested("cache prune", "--dry-run").stdout.startswith(f"would remove {said[0]} vectors")
    assert counts(ingested) == said
    assert counts(ingested) == (0, 0, 0)


def test_vectors_of_other_encoders_go_when_they_are_named(ingested: Run) -> None:
    other = ("--set", "encoder.name=fake:16", *both("fake:16"))
    assert ingested("ingest", "--rebuild", *other).exit_code == 0

    assert counts(ingested, *other) == (0, 0, 0)
    assert counts(ingested, "--other-encoders", *other)[0] > 4
    assert "not configured" not in ingested("cache stats", *other).stdout


def test_an_unfinished_ingest_is_not_pruned(ingested: Run, folder: Path) -> None:
    from florilegium import Library

    with Library.open(folder) as library:
        library.index.catalog.set_fact("links", "due")

    result = ingested("cache prune")

    assert result.exit_code == 1
    assert "has not ended" in result.stderr
    assert "florilegium ingest" in result.stderr
