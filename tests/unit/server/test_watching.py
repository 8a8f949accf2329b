"""An application under watch: its metrics, and who may see them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ForbiddenError, InvalidQueryError
from florilegium.server.metrics import Metrics, State
from florilegium.server.served import Asked
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User
from florilegium.server.watching import add_metrics, watch_requests
from tests.conftest import FAKES
from tests.otlp_receiver import receiving
from tests.unit.server.test_metrics import read


@pytest.fixture
def service(tiny_library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    never = Library.create(tmp_path_factory.mktemp("never ingested"), overrides=FAKES)
    made = Service({"flowers": tiny_library, "never": never}, config=ServerConfig())
    yield made
    made.close()
    never.close()


def _client(service: Service, user: User) -> TestClient:
    app = FastAPI()
    metrics = Metrics()
    add_metrics(app, service, metrics, current_user=lambda: user)

    @app.exception_handler(ForbiddenError)
    async def forbidden(_: Request, error: ForbiddenError) -> JSONResponse:
        return JSONResponse({"code": error.code}, status_code=403)

    watch_requests(app, metrics)
    return TestClient(app)


def test_the_metrics_tell_of_requests_lines_and_libraries(service: Service) -> None:
    client = _client(service, LOCAL_USER)
    client.get("/nothing")

    response = client.get("/metrics")

    found = read(response.content)
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert found["florilegium_requests_total{method=GET,route=(unknown),status=404}"] == 1
    assert found["florilegium_items{library=flowers,modality=image}"] == 3
    assert found["florilegium_files_failed{library=flowers}"] == 0
    assert found["florilegium_ingests_running{library=flowers}"] == 0
    assert found["florilegium_work_running{work=answer}"] == 0
    assert found["florilegium_work_places{work=answer}"] == 16
    assert not [name for name in found if "never" in name]


def test_the_metrics_tell_of_batches_of_queries(service: Service) -> None:
    client = _client(service, LOCAL_USER)

    asyncio.run(service.search(LOCAL_USER, "flowers", "red square"))

    found = read(client.get("/metrics").content)
    labels = "encoder=fake:32,library=flowers,modality=text"
    assert found[f"florilegium_encoder_batches_total{{{labels}}}"] >= 1
    assert found[f"florilegium_encoder_inputs_total{{{labels}}}"] >= 1


def test_what_clients_ask_for_makes_no_new_labels(service: Service) -> None:
    client = _client(service, LOCAL_USER)

    for number in range(50):
        client.get(f"/nothing/{number}")
        client.request(f"M{number}", f"/{number}")

    counted = [
        name
        for name in read(client.get("/metrics").content)
        if name.startswith("florilegium_requests_total")
    ]
    assert counted == [
        "florilegium_requests_total{method=GET,route=(unknown),status=404}",
        "florilegium_requests_total{method=OTHER,route=(unknown),status=404}",
    ]


def test_who_sees_some_libraries_only_sees_no_metrics(service: Service) -> None:
    client = _client(service, User(name="anna", libraries=frozenset({"flowers"})))

    response = client.get("/metrics")

    assert (response.status_code, response.json()) == (403, {"code": "request_forbidden"})


def test_searches_answers_and_ingests_of_a_service_are_counted(tiny_library: Library) -> None:
    metrics = Metrics()
    service = Service({"flowers": tiny_library}, config=ServerConfig(), observer=metrics)

    async def work() -> None:
        await service.search(LOCAL_USER, "flowers", "red square")
        with pytest.raises(InvalidQueryError):
            await service.search(LOCAL_USER, "flowers", "")
        async with service.answer(LOCAL_USER, "flowers", Asked(question="red square")) as events:
            assert [event async for event in events]
        async with service.answer(LOCAL_USER, "flowers", Asked(question="red square")) as events:
            await anext(events)

    asyncio.run(work())
    _ingest(service)
    service.close()

    found = read(metrics.render(State(lines={}, shelves={}, batches={})))
    assert found["florilegium_searches_total{code=ok}"] == 1
    assert found["florilegium_searches_total{code=query_invalid}"] == 1
    assert found["florilegium_answer_seconds_count"] == 2
    assert found["florilegium_answers_total{outcome=stopped}"] == 1
    assert found["florilegium_ingests_total{state=done}"] == 1


def test_an_ingest_of_the_server_sends_its_traces(tiny_library: Library) -> None:
    with receiving() as receiver:
        overrides = {"server.traces": receiver.address}
        with Library.open(tiny_library.root, overrides=overrides) as library:
            service = Service({"flowers": library}, config=library.settings.config.server)
            _ingest(service)
            service.close()

        assert {"ingest", "scan", "plan"} <= receiver.names()


def _ingest(service: Service) -> None:
    job = service.start_ingest(LOCAL_USER, "flowers")
    while service.job(LOCAL_USER, "flowers", job.id).state == "running":
        time.sleep(0.05)
