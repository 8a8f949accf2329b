"""Graph files are trusted while they are as they were when all of them were on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from florilegium.stores import graph_files
from florilegium.stores.graph_files import GraphFiles

IDS = "index_metadata.pickle"


def write(folder: Path, content: str = "whole") -> Path:
    """Write a graph and return the folder of its files."""
    place = folder / "graph"
    place.mkdir(exist_ok=True)
    for name in ("data_level0.bin", IDS):
        (place / name).write_text(content, encoding="utf-8")
        os.utime(place / name, ns=(len(content), len(content)))
    return place


def test_a_graph_is_whole_once_it_is_settled(tmp_path: Path) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    assert graphs.are_whole()
    write(tmp_path)
    assert not graphs.are_whole()

    graphs.settle()

    assert graphs.are_whole()
    assert GraphFiles(tmp_path, is_new=False).are_whole()


@pytest.mark.parametrize("name", ["data_level0.bin", IDS])
def test_a_graph_that_changed_since_is_not_whole(tmp_path: Path, name: str) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    place = write(tmp_path)
    graphs.settle()
    (place / name).write_text("whola", encoding="utf-8")

    assert not graphs.are_whole()


def test_a_graph_without_its_ids_does_not_count(tmp_path: Path) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    (write(tmp_path) / IDS).unlink()

    assert graphs.are_whole()


def test_a_graph_that_was_deleted_is_missed(tmp_path: Path) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    place = write(tmp_path)
    graphs.settle()
    assert graphs.folders() == [place]

    graphs.remove([place])

    assert not place.exists()
    assert not graphs.are_whole()


def test_what_is_in_doubt_stays_so_until_it_is_settled(tmp_path: Path) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    graphs.doubt()
    assert not GraphFiles(tmp_path, is_new=False).are_whole()

    graphs.settle()

    assert graphs.are_whole()


def test_graphs_of_before_there_were_notes_are_trusted_until_they_change(tmp_path: Path) -> None:
    place = write(tmp_path)
    graphs = GraphFiles(tmp_path, is_new=False)
    assert graphs.are_whole()

    graphs.settle()
    (place / IDS).write_text("half", encoding="utf-8")

    assert not graphs.are_whole()


def test_a_damaged_note_says_nothing(tmp_path: Path) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    (tmp_path / "florilegium-graphs.json").write_text("{", encoding="utf-8")
    assert not graphs.are_whole()

    graphs.settle()

    assert graphs.are_whole()


def test_files_are_synced_in_doubt_and_only_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = GraphFiles(tmp_path, is_new=True)
    place = write(tmp_path)
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        graph_files, "sync", lambda path: synced.append((path.name, graphs.are_whole()))
    )
    graphs.settle()
    assert {(name, False) for name in ("data_level0.bin", IDS, place.name)} <= set(synced)

    synced.clear()
    graphs.settle()

    assert synced == []
