"""The few calls to the Kubernetes API that the operator makes itself, over the credentials Kopf logged in with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import kopf

from recommendation_operator import names, reasons
from recommendation_operator.problems import Conflict, Refused, TryAgain, retry_after

Json = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}


class Cluster:
    """
    Namespaced access to drops, Jobs and the training CronJob.

    Every method raises `TryAgain` when the outcome is unknown or a repetition may help, `Conflict` on 409, and
    `Refused` otherwise; reading what is not there gives None.
    """

    def __init__(self, login: Callable[[], kopf.ConnectionInfo], namespace: str, timeout_seconds: float) -> None:
        self._login = login
        self._namespace = namespace
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._info: kopf.ConnectionInfo | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def list_drops(self, chunk: int) -> AsyncIterator[Json]:
        """All drops, page by page; a failure on any page raises, so an absence from a complete list means gone."""
        async for item in self._list(self._drops(), {"limit": str(chunk)}):
            yield item

    async def list_jobs(self) -> AsyncIterator[Json]:
        """The Jobs that the operator made."""
        async for item in self._list(self._jobs(), {"labelSelector": f"{names.MADE_BY}={names.MADE_BY_OPERATOR}"}):
            yield item

    async def write_status(self, name: str, resource_version: str, status: Mapping[str, Any]) -> Json:
        """Write the status only over the version it was computed from; raises `Conflict` where that is history."""
        patch = {"metadata": {"resourceVersion": resource_version}, "status": status}
        return await self._call("PATCH", f"{self._drops()}/{name}/status", json=patch, headers=MERGE)

    async def get_job(self, name: str) -> Json | None:
        return await self._get(f"{self._jobs()}/{name}")

    async def create_job(self, manifest: Json) -> Json:
        return await self._call("POST", self._jobs(), json=manifest)

    async def suspend_job(self, name: str, uid: str, suspend: bool) -> Json:
        """Stop or resume a Job; the uid guards against another of the same name."""
        patch = {"metadata": {"uid": uid}, "spec": {"suspend": suspend}}
        return await self._call("PATCH", f"{self._jobs()}/{name}", json=patch, headers=MERGE)

    async def delete_job(self, name: str, uid: str) -> None:
        """Delete a Job with its pods (the API's default would orphan them), and never another of the same name."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._call("DELETE", f"{self._jobs()}/{name}", json=options)
        except Refused as refused:
            if refused.status != 404:
                raise

    async def get_cronjob(self, name: str) -> Json | None:
        return await self._get(f"/apis/batch/v1/namespaces/{self._namespace}/cronjobs/{name}")

    async def pods_of(self, job_name: str) -> list[Json]:
        """The pods of a Job."""
        selector = {"labelSelector": f"batch.kubernetes.io/job-name={job_name}"}
        return [pod async for pod in self._list(self._core("pods"), selector)]

    async def warnings_about(self, uid: str) -> list[Json]:
        """The Events that warn about an object."""
        selector = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
        return [event async for event in self._list(self._core("events"), selector)]

    async def create_event(self, manifest: Json) -> None:
        """Post an Event; one of that name tells the same news already."""
        try:
            await self._call("POST", self._core("events"), json=manifest)
        except Conflict:
            return

    def _drops(self) -> str:
        return f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{self._namespace}/{names.PLURAL}"

    def _core(self, plural: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/{plural}"

    def _jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self._namespace}/jobs"

    async def _list(self, path: str, params: dict[str, str]) -> AsyncIterator[Json]:
        token: str | None = ""
        while token is not None:
            page = await self._call("GET", path, params=params | ({"continue": token} if token else {}))
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue") or None

    async def _get(self, path: str) -> Json | None:
        try:
            return await self._call("GET", path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def _call(self, method: str, path: str, **request: Any) -> Json:
        session, server = await self._connect()
        try:
            async with session.request(method, f"{server}{path}", **request) as response:
                body = await _body(response)
                _raise_for(response, body, f"{method} {path}")
                return body
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TryAgain(reasons.CLUSTER_UNAVAILABLE, f"{method} {path}: {type(error).__name__}") from error

    async def _connect(self) -> tuple[aiohttp.ClientSession, str]:
        """Log in anew for each call: it reads two small files, and a rotated token is noticed at once."""
        info = self._login()
        if self._session is None or info != self._info:
            await self.close()
            connector = aiohttp.TCPConnector(ssl=info.as_ssl_context())
            self._session = aiohttp.ClientSession(
                connector=connector, headers=info.as_http_headers(), timeout=self._timeout, proxy=info.proxy_url
            )
            self._info = info
        return self._session, info.server.rstrip("/")


async def _body(response: aiohttp.ClientResponse) -> Json:
    """The answer's JSON; what a server says of a path it does not know, such as a CRD's that is gone, is plain text."""
    if response.status >= 400 and response.content_type != "application/json":
        return {"message": (await response.text()).strip()}
    found: Json = await response.json(content_type=None) or {}
    return found


def _raise_for(response: aiohttp.ClientResponse, body: Json, call: str) -> None:
    if response.status < 400:
        return
    reason, message = str(body.get("reason", "")), str(body.get("message", ""))
    if response.status == 409:
        raise Conflict(f"{call}: {message}")
    if response.status in (401, 403, 408, 410, 429) or response.status >= 500:
        # Rights and credentials are mended from outside, and a list's token may expire between two pages.
        after = retry_after(response.headers.get("Retry-After"))
        raise TryAgain(reasons.CLUSTER_UNAVAILABLE, f"{call}: {response.status} {reason} {message}", after)
    raise Refused(response.status, reason, message)
