"""The recommendation service as the operator needs it: HTTP only, every call safe to repeat."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from recommendation_operator import names, reasons
from recommendation_operator.drop import ContentDrop, audience_body, registration_body
from recommendation_operator.problems import Refused, TryAgain, retry_after
from recommendation_operator.records import LiftView, Preview, RegenerationView, Registration, TrainingRunView

Json = dict[str, Any]
LIFT_WAIT_SECONDS = 60.0
"""Beyond the usual time-out: one report is worked out at a time, and nothing waits for a lift."""

MOST_REGENERATIONS = 100
"""Regenerations that the service lists at a time; more are not under way at once."""


class ServiceClient:
    """
    Client of the operator's routes.

    Every method raises `TryAgain` when the service is away, busy, or does not accept the key, and `Refused` when the
    call itself is at fault. `generation` is the one the drop's work was claimed at, part of each Idempotency-Key.
    """

    def __init__(self, url: str, key_file: Path | None, timeout_seconds: float) -> None:
        self._url = url
        self._key_file = key_file
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def standing_drops(self) -> set[str]:
        """The uids of the drops that stand or are scheduled."""
        return {row["uid"] for row in (await self._call("GET", "/drops"))["drops"]}

    async def register(self, drop: ContentDrop) -> Registration:
        return Registration.from_json(await self._call("PUT", f"/drops/{_part(drop.uid)}", registration_body(drop)))

    async def end_drop(self, uid: str) -> None:
        await self._call("DELETE", f"/drops/{_part(uid)}")

    async def preview(self, drop: ContentDrop) -> Preview:
        body = registration_body(drop) | {"audience": audience_body(drop)}
        key = names.idempotency_key(drop.uid, drop.generation, "preview")
        return Preview.from_json(await self._call("POST", f"/drops/{_part(drop.uid)}/preview", body, key))

    async def lift(self, uid: str) -> LiftView:
        """What a drop's places earned so far; the service may have to count for long."""
        return LiftView.from_json(await self._call("GET", f"/drops/{_part(uid)}/lift", wait_seconds=LIFT_WAIT_SECONDS))

    async def train(self, drop: ContentDrop, generation: int) -> TrainingRunView:
        key = names.idempotency_key(drop.uid, generation, "train")
        return TrainingRunView.from_json(await self._call("POST", "/train", {}, key))

    async def training_run(self, run_id: str) -> TrainingRunView:
        """A run that the service no longer knows counts as failed: nothing will come of it."""
        try:
            return TrainingRunView.from_json(await self._call("GET", f"/train/{_part(run_id)}"))
        except Refused as refused:
            if refused.status != 404:
                raise
            return TrainingRunView(run_id, "failed", "the service does not know this run")

    async def queued_runs(self, wait_seconds: int = 0) -> list[TrainingRunView]:
        """The training runs that want a Job; where there is none, the service waits so long for one."""
        path = "/train?state=queued" + (f"&wait={wait_seconds}" if wait_seconds else "")
        answer = await self._call("GET", path, wait_seconds=wait_seconds)
        return [TrainingRunView.from_json(row) for row in answer["runs"]]

    async def open_regeneration(
        self, drop: ContentDrop, generation: int, replaces: str | None = None
    ) -> RegenerationView:
        """Open the drop's regeneration, or one in the place of another that was overtaken."""
        body: Json = {"drop_uid": drop.uid, "shards": drop.shards}
        if audience := audience_body(drop):
            body["audience"] = audience
        if replaces is not None:
            body["replaces"] = replaces
        step = "regenerate" if replaces is None else f"regenerate-{replaces}"
        key = names.idempotency_key(drop.uid, generation, step)
        regeneration = RegenerationView.from_json(await self._call("POST", "/regenerations", body, key))
        if not names.is_safe_id(regeneration.id):
            raise _unavailable("the service gave a regeneration an id that may not enter a Job")
        return regeneration

    async def regeneration(self, regeneration_id: str) -> RegenerationView | None:
        """Read a regeneration, or the one that was opened in its place: a status may still name the former one."""
        try:
            found = RegenerationView.from_json(await self._call("GET", f"/regenerations/{_part(regeneration_id)}"))
            return await self.regeneration(found.replaced_by) if found.replaced_by else found
        except Refused as refused:
            if refused.status != 404:
                raise
            return None

    async def running_regenerations(self) -> list[RegenerationView]:
        """The regenerations under way that Jobs make the lists of, and that are for no drop; oldest first."""
        answer = await self._call("GET", f"/regenerations?state=running&limit={MOST_REGENERATIONS}")
        found = [RegenerationView.from_json(row) for row in reversed(answer["regenerations"])]
        ours = [one for one in found if one.worked_on_by == "jobs" and one.drop_uid is None]
        return [one for one in ours if names.is_safe_id(one.id)]

    async def close_regeneration(
        self, regeneration_id: str, failed_shards: tuple[int, ...], key: str
    ) -> RegenerationView:
        """Close a regeneration whose missing shards will never come, and read how it stands then."""
        path = f"/regenerations/{_part(regeneration_id)}"
        await self._call("POST", f"{path}/fail", {"failed_shards": list(failed_shards)}, key)
        return RegenerationView.from_json(await self._call("GET", path))

    async def _call(
        self, method: str, path: str, body: Json | None = None, key: str | None = None, wait_seconds: float = 0.0
    ) -> Json:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = self._authorization() | ({"Idempotency-Key": key} if key else {})
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds + wait_seconds)
        request = self._session.request(method, self._url + path, json=body, headers=headers, timeout=timeout)
        try:
            async with request as response:
                return _answer(response, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unavailable("the service does not answer or is busy") from error

    def _authorization(self) -> dict[str, str]:
        """Read the key for each call: a rotated Secret is noticed without a restart."""
        if self._key_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {self._key_file.read_text().strip()}"}
        except OSError as error:
            raise _unavailable(f"the operator's key cannot be read: {error.strerror}") from error


def _answer(response: aiohttp.ClientResponse, raw: bytes) -> Json:
    try:
        body: Json = json.loads(raw) if raw else {}
    except ValueError as error:
        raise _unavailable("the service answers with something else than JSON") from error
    if response.status < 400:
        return body
    code = re.split("[/#:]", str(body.get("code") or body.get("type", "")))[-1].replace("-", "_")
    detail = str(body.get("detail") or body.get("title") or "")
    if response.status in (401, 403):
        raise _unavailable(f"the service does not accept the operator's key ({response.status})")
    if response.status in (408, 425, 429) or response.status >= 500:
        after = retry_after(response.headers.get("Retry-After"))
        raise _unavailable("the service does not answer or is busy", after)
    raise Refused(response.status, code, detail)


def _unavailable(message: str, after_seconds: float | None = None) -> TryAgain:
    """Messages stay the same while the trouble lasts: they stand in a status, which is written only when it changes."""
    return TryAgain(reasons.SERVICE_UNAVAILABLE, message, after_seconds)


def _part(text: str) -> str:
    """One segment of a path, whatever it holds."""
    return quote(text, safe="")
