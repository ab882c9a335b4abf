"""A simulated Kubernetes API over HTTP: as strict as the real one where an operator could get it wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from fake_faults import Faults
from fake_schema import CustomResource, admit_job
from fake_store import CLUSTER_WIDE, ApiError, Store, merge
from fake_table import table

Json = dict[str, Any]
GROUP = "recommendation.gamestore.dev"
SERVED = {
    "contentdrops": (f"apis/{GROUP}/v1alpha1", "ContentDrop"),
    "jobs": ("apis/batch/v1", "Job"),
    "cronjobs": ("apis/batch/v1", "CronJob"),
    "events": ("api/v1", "Event"),
    "pods": ("api/v1", "Pod"),
    "namespaces": ("api/v1", "Namespace"),
    "serviceaccounts": ("api/v1", "ServiceAccount"),
    "roles": ("apis/rbac.authorization.k8s.io/v1", "Role"),
    "rolebindings": ("apis/rbac.authorization.k8s.io/v1", "RoleBinding"),
    "customresourcedefinitions": ("apis/apiextensions.k8s.io/v1", "CustomResourceDefinition"),
}
TOKEN = "operator-token"
ANYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
MANAGER = "kubectl"
"""A kubectl client may do what the chart lets release managers do; kubectl sends no token over plain HTTP."""


class FakeKubernetes:
    def __init__(self, store: Store, crd: Json, rules: list[Json], faults: Faults) -> None:
        self.store = store
        self.faults = faults
        self.rules = {TOKEN: rules, MANAGER: []}
        self.forbidden: list[str] = []
        self.asked: set[tuple[str, str, str]] = set()
        """API group, resource and verb of everything that the operator was allowed."""
        self.installed = True
        """Whether the CRD is there."""
        self.kopf_writes: list[str] = []
        self.silent = asyncio.Event()
        self.bookmark_seconds = 0.5
        self._crd = CustomResource(crd)
        self._definition = crd
        self._watches: set[asyncio.Task[Any]] = set()
        store.admit = self._admit

    def app(self) -> web.Application:
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_get("/version", self._version)
        app.router.add_get("/api", self._core)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/api/v1", self._resources)
        app.router.add_get("/apis/{group}/{version}", self._resources)
        root = "/{root:api/v1|apis/[^/]+/[^/]+}"
        base = root + "/namespaces/{namespace}/{plural}"
        for path in (base, f"{root}/{{plural:{'|'.join(sorted(CLUSTER_WIDE))}}}"):
            app.router.add_route("*", path, self._collection)
            app.router.add_route("*", path + "/{name}", self._object)
        app.router.add_route("*", base + "/{name}/{subresource}", self._object)
        return app

    def drop_watches(self) -> None:
        for task in list(self._watches):
            task.cancel()

    def _admit(self, plural: str, new: Json, old: Json | None) -> None:
        if plural == "contentdrops":
            self._crd.admit(new, old)
        elif plural == "jobs":
            admit_job(new, old)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36"})

    async def _core(self, request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, request: web.Request) -> web.Response:
        served = [root.split("/") for plural, (root, _) in SERVED.items() if self._serves(plural)]
        groups = {parts[1]: parts[2] for parts in served if parts[0] == "apis"}
        return web.json_response(
            {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [
                    {
                        "name": name,
                        "versions": [{"groupVersion": f"{name}/{v}", "version": v}],
                        "preferredVersion": {"groupVersion": f"{name}/{v}", "version": v},
                    }
                    for name, v in groups.items()
                ],
            }
        )

    async def _resources(self, request: web.Request) -> web.Response:
        root = request.path.strip("/")
        names = self._definition["spec"]["names"]
        rows = [
            {
                "name": plural,
                "kind": kind,
                "singularName": kind.lower(),
                "namespaced": plural not in CLUSTER_WIDE,
                "verbs": ["create", "delete", "get", "list", "patch", "watch"],
                "shortNames": names["shortNames"] if plural == names["plural"] else [],
            }
            for plural, (of, kind) in SERVED.items()
            if of == root and self._serves(plural)
        ]
        if not rows:
            return _not_served()
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _version(root), "resources": rows}
        )

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        verb = {"GET": "watch" if "watch" in request.query else "list", "POST": "create"}.get(request.method, "none")
        name = f"{request.method} {request.match_info['plural']}"
        if verb == "watch":
            return await self._answer(verb, request, self._watch)
        return await self._recorded(name, verb, request, self._list if verb == "list" else self._create)

    async def _object(self, request: web.Request) -> web.StreamResponse:
        verb = {"GET": "get", "PATCH": "patch", "DELETE": "delete", "POST": "create"}.get(request.method, "none")
        sub = request.match_info.get("subresource")
        name = f"{request.method} {request.match_info['plural']}" + (f"/{sub}" if sub else "/NAME")
        actions = {"get": self._get, "patch": self._patch, "delete": self._delete}
        action = self._token if (verb, sub) == ("create", "token") else actions.get(verb, self._none)
        return await self._recorded(name, verb, request, action)

    async def _recorded(
        self, name: str, verb: str, request: web.Request, action: Callable[[web.Request], Awaitable[Any]]
    ) -> web.StreamResponse:
        async def handler(inner: web.Request) -> web.StreamResponse:
            return await self._answer(verb, inner, action)

        if "kopf" in request.headers.get("User-Agent", ""):
            if verb not in ("list", "watch"):
                self.kopf_writes.append(name)
            return await handler(request)
        if _user(request) == MANAGER:
            return await handler(request)
        answer = await self.faults.around(name, request, handler)
        self.store.ticker.bump()
        return answer

    async def _answer(
        self, verb: str, request: web.Request, action: Callable[[web.Request], Awaitable[Any]]
    ) -> web.StreamResponse:
        if not self._serves(request.match_info["plural"]):
            return _not_served()
        try:
            self._authorize(verb, request)
            answer = await action(request)
        except ApiError as error:
            return web.json_response(error.body(), status=error.code)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer, status=201 if verb == "create" else 200)

    def _authorize(self, verb: str, request: web.Request) -> None:
        rules = self.rules.get(_user(request))
        if rules is None:
            raise ApiError(401, "Unauthorized", "no valid token")
        info = request.match_info
        resource = "/".join(filter(None, [info["plural"], info.get("subresource")]))
        group = "" if info["root"] == "api/v1" else info["root"].split("/")[1]
        for rule in rules:
            if rule == ANYTHING:
                return
            if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                if rules is self.rules.get(TOKEN):
                    self.asked.add((group, resource, verb))
                return
        self.forbidden.append(f"{verb} {resource}")
        raise ApiError(403, "Forbidden", f'cannot {verb} resource "{resource}" in API group "{group}"')

    async def _list(self, request: web.Request) -> Json:
        items = [obj for obj in self.store.list(request.match_info["plural"]) if _selected(obj, request)]
        version, start = str(self.store.version), 0
        if token := request.query.get("continue"):
            version, offset = token.split(":")
            if int(version) < self.store.oldest_version:
                raise ApiError(410, "Expired", "the continue token is too old")
            start = int(offset)
        end = start + int(request.query.get("limit", 0) or len(items))
        more = {"continue": f"{version}:{end}"} if end < len(items) else {}
        root, kind = SERVED[request.match_info["plural"]]
        if kind == "ContentDrop" and "as=Table" in request.headers.get("Accept", ""):
            return table(self._definition, items, version)
        return {
            "kind": f"{kind}List",
            "apiVersion": _version(root),
            "metadata": {"resourceVersion": version} | more,
            "items": items[start:end],
        }

    async def _create(self, request: web.Request) -> Json:
        plural, obj = request.match_info["plural"], await request.json()
        if plural not in CLUSTER_WIDE:
            obj.setdefault("metadata", {}).setdefault("namespace", request.match_info["namespace"])
        created = self.store.create(plural, obj)
        if plural == "customresourcedefinitions":
            return self._install(created)
        if plural == "roles":  # the one token belongs to the one role
            self.rules[TOKEN] = created["rules"]
        return created

    def _install(self, crd: Json) -> Json:
        self._crd, self._definition, self.installed = CustomResource(crd), crd, True
        status = {"conditions": [{"type": "Established", "status": "True"}]}
        name = crd["metadata"]["name"]
        return self.store.update("customresourcedefinitions", name, lambda old: old | {"status": status}, status=True)

    def _serves(self, plural: str) -> bool:
        return plural in SERVED and (plural != "contentdrops" or self.installed)

    async def _token(self, request: web.Request) -> Json:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        return review | {"status": {"token": TOKEN, "expirationTimestamp": "2099-01-01T00:00:00Z"}}

    async def _get(self, request: web.Request) -> Json:
        plural, name = request.match_info["plural"], request.match_info["name"]
        if plural == "contentdrops" and "as=Table" in request.headers.get("Accept", ""):
            return table(self._definition, [self.store.get(plural, name)], str(self.store.version))
        return self.store.get(plural, name)

    async def _patch(self, request: web.Request) -> Json:
        if request.content_type != "application/merge-patch+json":
            raise ApiError(415, "UnsupportedMediaType", request.content_type)
        patch = await request.json()
        info = request.match_info
        return self.store.update(
            info["plural"],
            info["name"],
            lambda old: merge(old, patch),
            status=info.get("subresource") == "status",
        )

    async def _delete(self, request: web.Request) -> Json:
        options = await request.json() if request.can_read_body else {}
        plural, name = request.match_info["plural"], request.match_info["name"]
        deleted = self.store.delete(plural, name, options)
        if plural == "namespaces":
            self.store.empty(name)
        return deleted

    async def _none(self, request: web.Request) -> Json:
        raise ApiError(405, "MethodNotAllowed")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
        except ConnectionError:
            return response
        task = asyncio.ensure_future(self._stream(request, response))
        self._watches.add(task)
        try:
            await task
        except (asyncio.CancelledError, ConnectionError):
            task.cancel()
        finally:
            self._watches.discard(task)
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        plural, version = request.match_info["plural"], int(request.query.get("resourceVersion") or 0)
        if "sendInitialEvents" in request.query:  # a list by way of the watch, as newer clients ask for it
            version = self.store.version
            for obj in self.store.list(plural):
                if _selected(obj, request):
                    await _send(response, "ADDED", obj)
            await self._bookmark(response, plural, version, {"k8s.io/initial-events-end": "true"})
        while True:
            changed = self.store.ticker.next()
            if version < self.store.oldest_version:
                error = ApiError(410, "Expired", "too old resource version").body()
                await _send(response, "ERROR", error)
                return
            for at, kind, obj in list(self.store.since(plural, version)):
                version = at
                if _selected(obj, request) and not self.silent.is_set():
                    await _send(response, kind, obj)
            try:
                async with asyncio.timeout(self.bookmark_seconds):
                    await changed.wait()
            except TimeoutError:
                if not self.silent.is_set() and not changed.is_set():
                    version = max(version, self.store.version)
                    await self._bookmark(response, plural, version, {})

    async def _bookmark(self, response: web.StreamResponse, plural: str, version: int, notes: Json) -> None:
        root, kind = SERVED[plural]
        metadata = {"resourceVersion": str(version), "annotations": notes}
        await _send(response, "BOOKMARK", {"apiVersion": _version(root), "kind": kind, "metadata": metadata})


async def _send(response: web.StreamResponse, kind: str, obj: Json) -> None:
    await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")


def _not_served() -> web.Response:
    """What an API server says of a path that it does not know: no JSON, no Status."""
    return web.Response(status=404, text="404 page not found\n")


def _version(root: str) -> str:
    return root.removeprefix("apis/").removeprefix("api/")


def _user(request: web.Request) -> str:
    if request.headers.get("User-Agent", "").startswith("kubectl"):
        return MANAGER
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _selected(obj: Json, request: web.Request) -> bool:
    labels = obj["metadata"].get("labels", {})
    wanted = [part.partition("=") for part in request.query.get("labelSelector", "").split(",") if part]
    fields = [part.partition("=") for part in request.query.get("fieldSelector", "").split(",") if part]
    return all(labels.get(key) == value for key, _, value in wanted) and all(
        _field(obj, path) == value for path, _, value in fields
    )


def _field(obj: Json, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) or {}
    return obj
