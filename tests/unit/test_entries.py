"""What one file puts into the catalog, on a real database."""

from __future__ import annotations

from pathlib import Path

from florilegium.catalog import Catalog
from florilegium.types import Modality
from tests.unit.catalog_samples import image_entry, text_entry


def test_a_file_is_found_by_the_words_of_its_title_and_its_text(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c.db", root=tmp_path)
    catalog.commit([text_entry("roses.txt", "They want water.", "They want sun.")])

    by_text = catalog.search_words("sun", Modality.TEXT, top_k=9)
    everything = catalog.items_of(["roses.txt"])

    assert [id_ for id_, _ in by_text] == [everything[1].id]
    assert [item.text for item in everything] == ["They want water.", "They want sun."]
    catalog.close()


def test_a_file_that_is_written_again_leaves_no_rows_of_before(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c.db", root=tmp_path)
    catalog.commit([text_entry("a.txt", "roses", "tulips"), image_entry("b.jpg", "lily")])

    catalog.commit([text_entry("a.txt", "irises")])

    assert catalog.count(Modality.TEXT) == 1
    assert catalog.search_words("roses tulips", Modality.TEXT, top_k=9) == []
    assert [i for i, _ in catalog.search_words("lily", Modality.IMAGE, top_k=9)] == ["b.jpg 0"]
    catalog.close()
