"""Labelled queries on the tiny library: what is counted, what is left out, what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.errors import ConfigError, InvalidQueryError, MissingExtraError
from florilegium.evaluation import TOP_K, Searched, evaluate
from florilegium.evaluation_report import EvaluationReport
from florilegium.labelled import LabelledQuery, make_query
from florilegium.retrieve import Explanation
from florilegium.types import Modality
from tests.conftest import FAKES


def _evaluate(library: Searched, *queries: LabelledQuery) -> EvaluationReport:
    return evaluate(library, list(queries))


def test_a_text_finds_its_picture(tiny_library: Library) -> None:
    report = _evaluate(
        tiny_library,
        make_query(text="red", modality=Modality.IMAGE, relevant=["red square.png"]),
    )

    assert report.total.queries == 1
    assert report.total.metrics == {"R@1": 1, "R@5": 1, "R@10": 1, "MRR": 1, "nDCG@10": 1}
    assert report.results[0].rank == 1
    assert report.results[0].seconds > 0
    assert report.gate is None


def test_each_direction_is_measured_by_itself(tiny_library: Library, tiny_folder: Path) -> None:
    report = _evaluate(
        tiny_library,
        make_query(text="red", modality=Modality.IMAGE, relevant=["red square.png"]),
        make_query(text="green", modality=Modality.IMAGE, relevant=["red square.png"]),
        make_query(image="circle.png", modality=Modality.TEXT, relevant=["circle.md"]),
    )

    rows = {row.direction: row for row in report.directions}
    assert {name: row.queries for name, row in rows.items()} == {"image->text": 1, "text->image": 2}
    assert rows["text->image"].metrics["R@1"] == 0.5
    assert report.total.metrics["R@1"] == pytest.approx(2 / 3)


def test_a_file_of_many_items_counts_once_at_its_first_place(tiny_folder: Path) -> None:
    words = "\n\n".join(f"Red paragraph number {n} tells of red things." for n in range(40))
    (tiny_folder / "long.md").write_text(words, encoding="utf-8")
    with Library.create(tiny_folder, overrides={**FAKES, "ingest.chunk_tokens": 32}) as library:
        library.ingest()
        hits = library.search("red paragraph tells", modality="text", top_k=TOP_K)
        places = [hit.item.source.path for hit in hits]
        assert places.count("long.md") > 3
        query = make_query(
            text="red paragraph tells", modality=Modality.TEXT, relevant=["red square.txt"]
        )

        report = _evaluate(library, query)

    files = list(dict.fromkeys(places))
    assert report.results[0].rank == files.index("red square.txt") + 1
    assert report.results[0].rank < places.index("red square.txt") + 1


def test_a_folder_stands_for_the_files_below_it(tiny_library: Library) -> None:
    report = _evaluate(tiny_library, make_query(text="blue triangle", relevant=["notes/"]))

    assert report.results[0].relevant == 3


def test_of_a_folder_only_what_is_searched_for_is_relevant(tiny_library: Library) -> None:
    query = make_query(text="blue triangle", modality=Modality.IMAGE, relevant={"notes/": 2})

    report = _evaluate(tiny_library, query)

    assert report.results[0].relevant == 1
    assert report.total.metrics["R@1"] == 1


def test_a_name_is_found_in_either_form_of_unicode(tiny_folder: Path) -> None:
    for name in ("Rose\u0301.txt", "cafe\u0301/a.txt"):
        (tiny_folder / name).parent.mkdir(exist_ok=True)
        (tiny_folder / name).write_text(f"A text called {name}.", encoding="utf-8")
    with Library.create(tiny_folder, overrides=FAKES) as library:
        library.ingest()
        query = make_query(text="a text called so", relevant=["Ros\u00e9.txt", "caf\u00e9/"])

        assert _evaluate(library, query).results[0].relevant == 2


def test_the_picture_that_is_searched_with_is_never_relevant(
    tiny_library: Library, tiny_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    shutil.copy(tiny_folder / "circle.png", copy)
    query = make_query(image=str(copy), relevant=["circle.png", "circle.md"])

    assert _evaluate(tiny_library, query).results[0].relevant == 1


def test_a_query_whose_own_picture_is_all_that_is_relevant_is_refused(
    tiny_library: Library,
) -> None:
    query = make_query(image="circle.png", relevant=["circle.png"], place="line 4")

    with pytest.raises(ConfigError, match="line 4: the only relevant file is the query's own"):
        _evaluate(tiny_library, query)


def test_the_gate_is_measured_over_both_kinds_of_queries(tiny_library: Library) -> None:
    report = _evaluate(
        tiny_library,
        make_query(text="How often do roses want water?", relevant=["notes/garden.md"]),
        make_query(text="Who wrote the first symphony?"),
    )

    assert report.gate is not None
    assert (report.gate.answerable, report.gate.unanswerable) == (1, 1)
    assert report.gate.configured.threshold == tiny_library.threshold().value == 0.6
    assert report.gate.auc == 1
    assert report.total.queries == 1
    assert report.results[1].metrics == {}
    for one in report.results:
        assert one.confidence == tiny_library.explain(one.text, top_k=TOP_K).evidence.confidence


def test_missing_paths_are_counted_and_the_first_five_named(tiny_library: Library) -> None:
    query = make_query(text="a", relevant=[*(f"gone{n}.md" for n in range(7)), "circle.md"])

    with pytest.raises(ConfigError) as caught:
        _evaluate(tiny_library, query)

    assert caught.value.message == (
        "7 relevant paths are not in the library: 'gone0.md', 'gone1.md', 'gone2.md', "
        "'gone3.md', 'gone4.md', ..."
    )
    assert "--allow-missing" in str(caught.value.hint)


def test_missing_paths_can_be_left_out(tiny_library: Library) -> None:
    partly = make_query(text="red square", relevant=["red square.txt", "gone.md"])
    gone = make_query(text="gone", relevant=["gone/"])

    report = evaluate(tiny_library, [partly, gone], allow_missing=True)

    assert report.missing == ("gone.md", "gone/")
    assert report.left_out == (gone.id,)
    assert [(one.id, one.relevant) for one in report.results] == [(partly.id, 1)]


def test_nothing_that_is_left_is_an_error(tiny_library: Library) -> None:
    with pytest.raises(ConfigError, match="No query is left"):
        evaluate(tiny_library, [make_query(text="a", relevant=["gone"])], allow_missing=True)


def test_a_picture_lies_beside_the_file_of_queries_or_in_the_library(
    tiny_library: Library, tiny_folder: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "queries"
    beside.mkdir()
    shutil.copy(tiny_folder / "circle.png", beside / "mine.png")
    lines = [
        f'{{"image": "{name}", "modality": "text", "relevant": ["circle.md"]}}'
        for name in ("mine.png", "notes/triangle.png")
    ]
    (beside / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")

    report = evaluate(tiny_library, beside / "queries.jsonl")

    assert report.name == "queries"
    assert len(report.results) == 2


def test_a_picture_that_is_not_there_is_named(tiny_library: Library) -> None:
    with pytest.raises(ConfigError, match=r"there is no picture 'gone\.png'"):
        _evaluate(tiny_library, make_query(image="gone.png", relevant=["circle.md"]))


def test_a_picture_that_cannot_be_read_is_named_with_its_line(
    tiny_library: Library, tiny_folder: Path
) -> None:
    (tiny_folder / "broken.png").write_bytes(b"no picture")
    query = make_query(image="broken.png", relevant=["circle.md"], place="line 9")

    with pytest.raises(InvalidQueryError, match=r"^line 9: "):
        _evaluate(tiny_library, query)


def test_the_order_of_queries_does_not_matter(tiny_library: Library) -> None:
    queries: Sequence[LabelledQuery] = [
        make_query(text="red", relevant=["circle.png"]),
        make_query(text="green circle", relevant=["circle.png", "circle.md"]),
        make_query(text="violin"),
    ]

    first, second = _evaluate(tiny_library, *queries), _evaluate(tiny_library, *queries[::-1])

    assert first.total.metrics == second.total.metrics
    assert first.gate == second.gate
    assert {one.id: one.labels for one in first.results} == {
        one.id: one.labels for one in second.results
    }


def test_other_labels_have_another_fingerprint(tiny_library: Library) -> None:
    one = make_query(text="red", relevant=["circle.png"], id_="q")
    two = make_query(text="red", relevant=["circle.md"], id_="q")

    labels = {_evaluate(tiny_library, query).results[0].labels for query in (one, two)}

    assert len(labels) == 2


def test_the_report_says_what_was_measured_with(tiny_library: Library) -> None:
    measured = _evaluate(tiny_library, make_query(text="violin")).measured

    assert (measured.sources, measured.images) == (7, 3)
    assert measured.encoders == {"fake:32": "fake-32-1"}
    assert measured.versions["florilegium"] == version("florilegium")
    assert measured.config["retrieval"]["candidates"] == 100


def test_the_report_has_no_key_of_an_address(tiny_folder: Path) -> None:
    address = {"chat.base_url": "https://h/v1?key=s3cr3t"}
    with Library.create(tiny_folder, overrides={**FAKES, **address}) as library:
        library.ingest()
        measured = _evaluate(library, make_query(text="violin")).measured

    assert measured.config["chat"]["base_url"] == "https://h/v1?key=***"


def test_one_search_of_each_direction_runs_before_the_clock_does(tiny_library: Library) -> None:
    calls: list[tuple[str, dict[str, object]]] = []

    class Recorded:
        root = tiny_library.root
        settings = tiny_library.settings
        index = tiny_library.index
        threshold = tiny_library.threshold

        def explain(self, text: str, **options: object) -> Explanation:
            calls.append((text, options))
            return tiny_library.explain(text, top_k=TOP_K)

    queries = [make_query(text=text, relevant=["circle.md"]) for text in ("a", "b")]
    seen: list[tuple[int, int]] = []

    evaluate(
        Recorded(),
        queries,
        options={"more": 1},
        progress=lambda done, total: seen.append((done, total)),
    )

    assert [text for text, _ in calls] == ["a", "a", "b"]
    assert calls[0][1] == {"image": None, "modality": None, "top_k": 100, "more": 1}
    assert seen == [(0, 2), (1, 2)]


def test_without_scipy_it_measures_all_the_same(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(package: str) -> str:
        if package == "scipy":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr("florilegium.evaluation.version", known)

    measured = _evaluate(tiny_library, make_query(text="violin")).measured

    assert "scipy" not in measured.versions
    assert measured.versions["ir-measures"] == "1.0"


def test_without_the_extra_nothing_is_searched(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    monkeypatch.setattr(Library, "explain", lambda *_, **__: pytest.fail("it searched"))

    with pytest.raises(MissingExtraError, match="ir_measures"):
        _evaluate(tiny_library, make_query(text="red", relevant=["circle.md"]))
