"""The objects of a simulated cluster: versions, uids, generations, history for watches, collection of orphans."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
CLUSTER_WIDE = {"namespaces", "customresourcedefinitions"}
MAX_ANNOTATIONS = 262_144
MAX_OBJECT = 1_572_864


class ApiError(Exception):
    def __init__(self, code: int, reason: str, message: str = "", details: Json | None = None) -> None:
        super().__init__(f"{code} {reason} {message}")
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def body(self) -> Json:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": self.reason,
            "message": self.message,
            "code": self.code,
        } | ({"details": self.details} if self.details else {})


class Ticker:
    """Lets tests wait for a change instead of sleeping."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def bump(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set at the next change; take it before looking, so that no change falls between looking and waiting."""
        return self._event


class Store:
    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.version = 1000
        self.oldest_version = 0
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.history: list[tuple[int, str, str, Json]] = []
        self.admit: Callable[[str, Json, Json | None], None] = lambda plural, new, old: None
        self._objects: dict[tuple[str, str], Json] = {}

    def list(self, plural: str) -> list[Json]:
        return [copy.deepcopy(obj) for (kind, _), obj in sorted(self._objects.items()) if kind == plural]

    def get(self, plural: str, name: str) -> Json:
        if (plural, name) not in self._objects:
            raise ApiError(404, "NotFound", f'{plural} "{name}" not found')
        return copy.deepcopy(self._objects[plural, name])

    def find(self, plural: str, name: str) -> Json | None:
        return copy.deepcopy(self._objects.get((plural, name)))

    def create(self, plural: str, obj: Json) -> Json:
        obj = copy.deepcopy(obj)
        obj.pop("status", None)
        metadata = obj.setdefault("metadata", {})
        name = metadata.get("name")
        if not name or len(name) > 253:
            raise ApiError(422, "Invalid", "metadata.name: required, at most 253 characters")
        if (plural, name) in self._objects:
            raise ApiError(409, "AlreadyExists", f'{plural} "{name}" already exists')
        metadata.update(
            uid=str(uuid.uuid4()),
            generation=1,
            creationTimestamp=self.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if plural not in CLUSTER_WIDE:
            metadata.setdefault("namespace", "shop")
        self._admit(plural, obj, None)
        self._put("ADDED", plural, obj)
        asyncio.get_running_loop().call_soon(self._collect)
        return copy.deepcopy(obj)

    def update(self, plural: str, name: str, change: Callable[[Json], Json], *, status: bool = False) -> Json:
        """Change the spec and metadata, or with `status` the status alone; the rest of the change is ignored."""
        old = self.get(plural, name)
        wanted = change(copy.deepcopy(old))
        asked = wanted.get("metadata", {})
        if asked.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", "the object has been modified; please apply your changes to the latest")
        if asked.get("uid") != old["metadata"]["uid"]:
            raise ApiError(409, "Conflict", "uid mismatch")
        new = copy.deepcopy(old)
        if status:
            new["status"] = wanted.get("status", {})
        else:
            new["spec"] = wanted["spec"]
            for field in ("labels", "annotations", "finalizers"):
                if field in asked:
                    new["metadata"][field] = asked[field]
        self._admit(plural, new, old)
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        self._put("MODIFIED", plural, new)
        return copy.deepcopy(new)

    def delete(self, plural: str, name: str, options: Json | None = None) -> Json:
        obj, options = self.get(plural, name), options or {}
        wanted = options.get("preconditions", {}).get("uid")
        if wanted not in (None, obj["metadata"]["uid"]):
            raise ApiError(409, "Conflict", "the UID in the precondition does not match")
        # batch/v1 keeps the default of its first days: without a policy the pods are left behind.
        policy = options.get("propagationPolicy", "Orphan" if plural == "jobs" else "Background")
        if policy == "Orphan":
            for kind, child in self._children(obj["metadata"]["uid"]):
                child["metadata"]["ownerReferences"] = []
                self._put("MODIFIED", kind, child)
        del self._objects[plural, name]
        self._record("DELETED", plural, obj)
        self._collect()
        return obj

    def empty(self, namespace: str) -> None:
        """Delete all that is in a namespace, as happens when it is deleted itself."""
        for key, obj in list(self._objects.items()):
            if obj["metadata"].get("namespace") == namespace:
                self._record("DELETED", key[0], self._objects.pop(key))

    def expire_versions(self) -> None:
        """Forget the history, so that every watch from before is told 410."""
        self.oldest_version = self.version + 1
        self.version += 1
        self.history.clear()
        self.ticker.bump()

    def since(self, plural: str, version: int) -> Iterator[tuple[int, str, Json]]:
        for at, kind, of, obj in self.history:
            if of == plural and at > version:
                yield at, kind, obj

    def _children(self, uid: str) -> list[tuple[str, Json]]:
        return [
            (kind, obj)
            for (kind, _), obj in self._objects.items()
            if any(ref["uid"] == uid for ref in obj["metadata"].get("ownerReferences", []))
        ]

    def _collect(self) -> None:
        """Remove what has owners of which none exists, as the garbage collector does."""
        while True:
            living = {obj["metadata"]["uid"] for obj in self._objects.values()}
            orphans = [
                key
                for key, obj in self._objects.items()
                if (refs := obj["metadata"].get("ownerReferences")) and not any(r["uid"] in living for r in refs)
            ]
            if not orphans:
                return
            for key in orphans:
                self._record("DELETED", key[0], self._objects.pop(key))

    def _admit(self, plural: str, new: Json, old: Json | None) -> None:
        annotations = new["metadata"].get("annotations", {})
        if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > MAX_ANNOTATIONS:
            raise ApiError(422, "Invalid", "metadata.annotations: Too long: must have at most 262144 bytes")
        if len(repr(new)) > MAX_OBJECT:
            raise ApiError(413, "RequestEntityTooLarge", "etcdserver: request is too large")
        self.admit(plural, new, old)

    def _put(self, kind: str, plural: str, obj: Json) -> None:
        self._objects[plural, obj["metadata"]["name"]] = obj
        self._record(kind, plural, obj)

    def _record(self, kind: str, plural: str, obj: Json) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, kind, plural, copy.deepcopy(obj)))
        self.ticker.bump()


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
