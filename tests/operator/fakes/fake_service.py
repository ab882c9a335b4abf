"""The recommendation service's contract with the operator, in memory, over HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from aiohttp import web
from fake_faults import Faults
from fake_store import Ticker

Json = dict[str, Any]
KEY = "operator-key"
PREFIX = "/api/v1/recommendation"


def a_lift(state: str = "Collecting", held_back: int = 0, **more: Any) -> Json:
    """What the service answers about a drop's lift: before its first user counts, or with numbers."""
    numbers = {"difference": 0.0214, "low": 0.00491, "high": 0.0379} if held_back else {}
    return {
        "state": state,
        "window_days": 7,
        "held_back": {"exposed": 120, "counted": held_back},
        "placed": {"exposed": 1080, "counted": 9 * held_back},
        "sample_ratio": {"p_value": 0.6, "mismatch": False},
        "counted_until": "2026-12-12T09:00:00.5Z",
        "last_look_at": "2026-12-16T18:00:00.25Z",
        **dict.fromkeys(("difference", "low", "high")),
        **numbers,
        **more,
    }


class FakeService:
    def __init__(self, ticker: Ticker, faults: Faults) -> None:
        self.ticker = ticker
        self.faults = faults
        self.drops: dict[str, Json] = {}
        self.ended: list[str] = []
        self.regenerations: dict[str, Json] = {}
        self.runs: dict[str, Json] = {}
        self.known_games = {"g-17", "g-202"}
        self.model: Json | None = {"version": "m-1", "age_seconds": 60.0}
        self.away = False
        self.refuse_drops: Json | None = None
        self.training_ends = "succeeded"
        self.users = 1000
        self.lift: Json = a_lift()
        self.tells_lifts = asyncio.Event()
        self.tells_lifts.set()
        self.keys: dict[str, tuple[Json, int, Json]] = {}
        self._numbers = itertools.count(1)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=8 * 2**20)
        for method, path, handler in (
            ("GET", "/drops", self._list_drops),
            ("PUT", "/drops/{uid}", self._put_drop),
            ("DELETE", "/drops/{uid}", self._end_drop),
            ("POST", "/drops/{uid}/preview", self._preview),
            ("GET", "/drops/{uid}/lift", self._lift),
            ("POST", "/train", self._once(self._train)),
            ("GET", "/train", self._list_runs),
            ("GET", "/train/{id}", self._get_run),
            ("POST", "/regenerations", self._once(self._regenerate)),
            ("GET", "/regenerations", self._list_regenerations),
            ("GET", "/regenerations/{id}", self._get_regeneration),
            ("POST", "/regenerations/{id}/fail", self._fail),
            ("POST", "/shards", self._shard_done),
        ):
            app.router.add_route(method, PREFIX + path, handler)
        return app

    def finish_shard(self, regeneration_id: str, shard: int) -> None:
        """What a shard's pod does at the end of its work."""
        record = self.regenerations[regeneration_id]
        if shard not in record["done"] and record["state"] == "running":
            record["done"].append(shard)
            reached = self.users * len(record["done"]) // record["shards"]
            record["users_regenerated" if record["overtaken_by"] is None else "users_overtaken"] = reached
            record["shards_done"] = len(record["done"])
            if record["shards_done"] == record["shards"]:
                record.update(state="succeeded", catalogue_coverage_after=0.51239, release_coverage=1.0)
        self.ticker.bump()

    def overtake(self, model: str) -> None:
        """Write everyone's lists by another model, with a number above those of all regenerations so far."""
        self.model = {"version": model, "age_seconds": 0.0}
        for record in self.regenerations.values():
            record["overtaken_by"] = {"regeneration_id": "r-beside", "model_version": model}

    def end_run(self, run_id: str) -> None:
        """What a trainer does at the end of its work."""
        run = self.runs[run_id]
        run["state"] = self.training_ends
        if run["state"] == "succeeded":
            self.model = {"version": "m-2", "age_seconds": 0.0}
        else:
            run["reason"] = "worse than popularity"
        self.ticker.bump()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/shards"):
            return await handler(request)
        if self.away:
            return _problem(503, "unavailable", "the database is away", {"Retry-After": "0.05"})
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _problem(401, "unauthorized", "no valid key")
        path = request.match_info.route.resource.canonical if request.match_info.route.resource else request.path
        waits = "?wait" if "wait" in request.query else ""
        name = f"{request.method} {path.removeprefix(PREFIX)}{waits}"
        answer = await self.faults.around(name, request, handler)
        self.ticker.bump()
        return answer

    def _once(self, handler: Callable[[web.Request, Json], Json | web.Response]) -> Any:
        """Replay the stored answer of the same Idempotency-Key; refuse the key with another body."""

        async def replaying(request: web.Request) -> web.Response:
            key, body = request.headers["Idempotency-Key"], await request.json()
            if key in self.keys:
                known, status, answer = self.keys[key]
                if known != body:
                    return _problem(422, "idempotency_mismatch", "the key was used with another body")
                return web.json_response(answer, status=status, headers={"Idempotency-Replayed": "true"})
            answer = handler(request, body)
            if isinstance(answer, web.Response):
                return answer
            status = 202 if request.path.endswith("/train") else 201
            self.keys[key] = (body, status, dict(answer))
            return web.json_response(answer, status=status)

        return replaying

    async def _list_drops(self, request: web.Request) -> web.Response:
        return web.json_response({"drops": [{"uid": uid} | row for uid, row in self.drops.items()]})

    async def _put_drop(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.refuse_drops is not None:
            return _problem(*({"status": 422, "code": "invalid"} | self.refuse_drops).values())
        self.drops[request.match_info["uid"]] = body
        return web.json_response(
            {
                "uid": request.match_info["uid"],
                "state": "standing",
                "ends_at": "2030-01-01T00:00:00Z",
                "unknown_similar": self._unknown(body),
                "live_model": self.model,
                "now": "2026-11-22T00:00:00Z",
            }
        )

    async def _end_drop(self, request: web.Request) -> web.Response:
        if self.drops.pop(request.match_info["uid"], None) is not None:
            self.ended.append(request.match_info["uid"])
        return web.Response(status=204)

    async def _preview(self, request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response(
            {
                "users_targeted": 700,
                "users_ranked": 350,
                "lists_touched": 650,
                "lists_touched_low": 632,
                "lists_touched_high": 663,
                "exact": False,
                "users_held_back": 700 * (body.get("holdout") or {"percent": 0})["percent"] // 100,
                "displaced": [{"game_id": "g-17", "lists": 12}],
                "unknown_similar": self._unknown(body),
            }
        )

    async def _lift(self, request: web.Request) -> web.Response:
        if request.match_info["uid"] not in self.drops:
            return _problem(404, "unknown_holdout", "no drop has this uid")
        await self.tells_lifts.wait()
        return web.json_response(self.lift)

    def queue_run(self) -> Json:
        """What an admin does with `POST /train`."""
        run = self._train()
        self.ticker.bump()
        return run

    def _train(self, *_: Any) -> Json:
        for run in self.runs.values():
            if run["state"] in ("queued", "running"):
                return run
        run = {"run_id": f"run-{next(self._numbers)}", "state": "queued", "reason": None, "model_version": None}
        self.runs[run["run_id"]] = run
        return run

    async def _list_runs(self, request: web.Request) -> web.Response:
        found: list[Json] = []
        try:
            async with asyncio.timeout(float(request.query.get("wait", 0)) or None):
                while True:
                    changed = self.ticker.next()
                    found = [run for run in self.runs.values() if run["state"] == request.query["state"]]
                    if found or "wait" not in request.query:
                        break
                    await changed.wait()
        except TimeoutError:
            pass
        return web.json_response({"runs": found})

    async def _get_run(self, request: web.Request) -> web.Response:
        run = self.runs.get(request.match_info["id"])
        return web.json_response(run) if run else _problem(404, "not_found", "no such run")

    def open_for_everyone(self, shards: int = 2) -> Json:
        """What a training that has published does; the one before ends."""
        record = self._open(None, shards)
        for before in self.regenerations.values():
            if before is not record and before["state"] == "running" and before["drop_uid"] is None:
                before.update(state="failed", replaced_by=record["id"])
        self.ticker.bump()
        return record

    def _regenerate(self, request: web.Request, body: Json) -> Json | web.Response:
        if self.model is None:
            return _problem(409, "model_missing", "there is no live model")
        record = self._open(body["drop_uid"], body["shards"])
        if (replaced := self.regenerations.get(body.get("replaces", ""))) and replaced["state"] == "running":
            replaced.update(state="failed", replaced_by=record["id"])
        return record

    def _open(self, drop_uid: str | None, shards: int) -> Json:
        assert self.model is not None
        record = {
            "id": f"r-{next(self._numbers)}",
            "state": "running",
            "drop_uid": drop_uid,
            "shards": shards,
            "model_version": self.model["version"],
            "users_targeted": self.users,
            "users_regenerated": 0,
            "users_failed": 0,
            "shards_done": 0,
            "failed_shards": [],
            "catalogue_coverage_before": 0.4,
            "catalogue_coverage_after": None,
            "release_coverage": None,
            "users_overtaken": 0,
            "overtaken_by": None,
            "replaced_by": None,
            "worked_on_by": "jobs",
            "done": [],
        }
        self.regenerations[record["id"]] = record
        return record

    async def _list_regenerations(self, request: web.Request) -> web.Response:
        found = [one for one in reversed(self.regenerations.values()) if one["state"] == request.query["state"]]
        return web.json_response({"regenerations": found})

    async def _get_regeneration(self, request: web.Request) -> web.Response:
        record = self.regenerations.get(request.match_info["id"])
        return web.json_response(record) if record else _problem(404, "not_found", "no such regeneration")

    async def _fail(self, request: web.Request) -> web.Response:
        record, body = self.regenerations[request.match_info["id"]], await request.json()
        if record["state"] == "running":
            missing = [shard for shard in body["failed_shards"] if shard not in record["done"]]
            record.update(state="failed", failed_shards=missing)
            record["users_failed"] = self.users - record["users_regenerated"]
        return web.json_response(record)

    async def _shard_done(self, request: web.Request) -> web.Response:
        """Not part of the contract: how a simulated shard that runs as a process reports."""
        body = await request.json()
        self.finish_shard(body["regeneration"], body["shard"])
        return web.json_response({})

    def _unknown(self, body: Json) -> list[str]:
        named = {game for row in body["games"] for game in row.get("similar_to", [])}
        return sorted(named - self.known_games)


def _problem(status: int, kind: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"type": f"https://recommendation.gamestore.dev/problems/{kind}", "title": kind, "detail": detail}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")
