"""Reads have a bound; probes and scrapes have none, and what is turned away takes the rest of its connection along."""

import asyncio
from typing import Any

from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app
from recommendation_api.http.read_turns import ReadTurns


async def asked(turns: ReadTurns, path: str = "/user/ann", method: str = "GET") -> Any:
    """Return the start of an answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await turns({"type": "http", "method": method, "path": path, "headers": []}, None, send)  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"])


def test_reads_beyond_the_bound_are_turned_away_at_once_and_let_in_again_afterwards() -> None:
    async def story() -> None:
        go_on = asyncio.Event()

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        turns = ReadTurns(app, most=3)
        inside = [asyncio.create_task(asked(turns)) for _ in range(3)]
        others = [asyncio.create_task(asked(turns, *one)) for one in (("/healthz",), ("/readyz",), ("/i", "POST"))]
        await asyncio.sleep(0)
        for method in ("GET", "HEAD"):
            status, headers = await asked(turns, method=method)
            assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
        go_on.set()
        assert [status for status, _ in await asyncio.gather(*inside, *others)] == [200] * 6
        assert (await asked(turns))[0] == 200

    asyncio.run(story())


def test_a_read_that_fails_gives_its_turn_back() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("broken")

    async def story() -> None:
        turns = ReadTurns(broken, most=1)
        for _ in range(3):
            try:
                await asked(turns)
            except RuntimeError as error:
                assert str(error) == "broken"

    asyncio.run(story())


def test_a_path_that_takes_another_method_names_all_that_it_takes(sqlite_url: str) -> None:
    with TestClient(create_app(Settings(database_url=sqlite_url, training="queued"))) as client:
        for path, methods in {
            f"{PREFIX}/drops/uid": "PUT, DELETE",
            f"{PREFIX}/user/ann": "GET, HEAD, DELETE",
            f"{PREFIX}/train": "GET, HEAD, POST",
            f"{PREFIX}/interactions": "POST",
            "/healthz": "GET, HEAD",
        }.items():
            answer = client.request("PATCH", path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods), path
            assert answer.json()["code"] == "method_not_allowed"
