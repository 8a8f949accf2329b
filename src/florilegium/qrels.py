"""Labelled queries as benchmarks ship them: BEIR folders, TREC topics with qrels, or our lines.

Ids of the collection are library paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from florilegium.errors import ConfigError
from florilegium.labelled import LabelledQuery, checked, make_query, read_jsonl, read_lines, wrong

Qrels = dict[str, dict[str, int]]

_BEIR_QUERIES = "queries.jsonl"
_BEIR_SPLIT = "test.tsv"  # the split that BEIR's published numbers are of
_HEADER = "query-id"


def read_queries(path: str | Path) -> list[LabelledQuery]:
    """Return labelled queries, in whichever format they are.

    A folder with `queries.jsonl` and `qrels/*.tsv` is read as BEIR; a folder with a file
    `topics*.tsv` and a file `qrels*`, or that topics file itself, as TREC; any other file has one
    JSON object a line. Queries that the qrels do not name, or name no relevant file for, are left
    out: nobody said that nothing answers them.

    Raises:
        ConfigError: The path is nothing of this, or a line is wrong.
    """
    place = Path(path)
    if place.is_dir():
        if (place / _BEIR_QUERIES).is_file():
            return _read_beir(place)
        return _read_trec(_only(place, "topics*.tsv", what="topics"))
    if place.suffix == ".tsv":
        return _read_trec(place)
    return read_jsonl(place)


def _read_beir(folder: Path) -> list[LabelledQuery]:
    split = folder / "qrels" / _BEIR_SPLIT
    qrels_file = split if split.is_file() else _only(folder / "qrels", "*.tsv", what="qrels")
    file = folder / _BEIR_QUERIES
    texts: dict[str, str] = {}
    for number, line in _lines(file):
        place = f"{str(file)!r}, line {number}"
        try:
            values = json.loads(line)
            id_, text = str(values["_id"]), str(values["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise wrong(
                place, "an object with `_id` and `text` was expected", hint="See BEIR's format."
            ) from error
        _add(texts, id_, text, place=place)
    return _joined(texts, _read_beir_qrels(qrels_file), file=file, qrels_file=qrels_file)


def _read_trec(topics: Path) -> list[LabelledQuery]:
    qrels_file = _only(topics.parent, "qrels*", what="qrels")
    texts: dict[str, str] = {}
    for number, line in _lines(topics):
        place = f"{str(topics)!r}, line {number}"
        id_, tab, text = line.partition("\t")
        if not (tab and id_.strip() and text.strip()):
            raise wrong(
                place,
                "an id, a tab and the text of a query were expected",
                hint="Write one query a line, e.g. `q1<tab>a white flower`.",
            )
        _add(texts, id_.strip(), text.strip(), place=place)
    return _joined(texts, _read_trec_qrels(qrels_file), file=topics, qrels_file=qrels_file)


def _add(texts: dict[str, str], id_: str, text: str, *, place: str) -> None:
    if id_ in texts:
        raise wrong(place, f"the query {id_!r} comes twice", hint="Give each query its own id.")
    texts[id_] = text


def _read_beir_qrels(file: Path) -> Qrels:
    rows = []
    for number, line in _lines(file):
        cells = line.split("\t")
        if number == 1 and cells[0] == _HEADER:
            continue
        if len(cells) != 3:
            raise _wrong_row(file, number, "query id, path and grade, with tabs between")
        rows.append((number, cells[0], cells[1], cells[2]))
    return _qrels(file, rows)


def _read_trec_qrels(file: Path) -> Qrels:
    rows = []
    for number, line in _lines(file):
        # Paths may hold blanks: the first two cells and the last one are none.
        head, _, grade = line.strip().replace("\t", " ").rpartition(" ")
        cells = head.split(None, 2)
        if len(cells) != 3:
            raise _wrong_row(file, number, "query id, 0, path and grade")
        rows.append((number, cells[0], cells[2].strip(), grade))
    return _qrels(file, rows)


def _qrels(file: Path, rows: Iterable[tuple[int, str, str, str]]) -> Qrels:
    qrels: Qrels = {}
    for number, query, path, grade in rows:
        try:
            value = int(grade)
        except ValueError:
            raise _wrong_row(file, number, "a whole number as the grade") from None
        known = qrels.setdefault(query.strip(), {})
        if value > 0:
            known[path.strip()] = value
    return qrels


def _joined(
    texts: Mapping[str, str], qrels: Qrels, *, file: Path, qrels_file: Path
) -> list[LabelledQuery]:
    unknown = [id_ for id_ in qrels if id_ not in texts]
    if unknown:
        raise ConfigError(
            f"{str(qrels_file)!r} names {len(unknown)} queries that {str(file)!r} does not have, "
            f"the first is {unknown[0]!r}.",
            hint="Take the queries and the qrels of one collection.",
        )
    queries = [
        make_query(id_=id_, text=text, relevant=qrels[id_], place=f"{str(file)!r}, query {id_!r}")
        for id_, text in texts.items()
        if qrels.get(id_)
    ]
    return checked(queries, file)


def _only(folder: Path, pattern: str, *, what: str) -> Path:
    found = sorted(file for file in folder.glob(pattern) if file.is_file())
    if len(found) != 1:
        names = ", ".join(repr(file.name) for file in found) or "none"
        raise ConfigError(
            f"One file of {what} ({pattern}) was expected in {str(folder)!r}, found: {names}.",
            hint="Name a file with one JSON object a line, a BEIR folder, or a TREC topics file "
            "with its qrels beside it.",
        )
    return found[0]


def _wrong_row(file: Path, number: int, expected: str) -> ConfigError:
    return wrong(
        f"{str(file)!r}, line {number}",
        f"the line should have {expected}",
        hint="Ids of the collection are paths in the library.",
    )


def _lines(file: Path) -> list[tuple[int, str]]:
    lines = enumerate(read_lines(file), start=1)
    return [(number, line) for number, line in lines if line.strip()]
