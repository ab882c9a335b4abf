"""
The Kopf shell: logs in, watches, wakes the loop. It decides nothing.

Only `on.event` handlers are used. They cover creation, resumption, updates and deletion, and make Kopf write nothing:
no finalizer, so a deletion never waits for an operator, and no annotation, so the largest legal drop has the annotation
limit to itself. Kopf's `on.create` and `on.resume` would also lose a drop when killed between their two patches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import Any

import click
import kopf

from recommendation_operator import names
from recommendation_operator.cluster import Cluster
from recommendation_operator.lifts import Lifts
from recommendation_operator.logs import use_json
from recommendation_operator.loop import ReconcileLoop, utc_now
from recommendation_operator.metrics import OperatorMetrics
from recommendation_operator.reconcile import Reconciler
from recommendation_operator.service import ServiceClient
from recommendation_operator.settings import OperatorSettings, SettingsInvalid, unknown_settings
from recommendation_operator.waiting import QueuedRuns

logger = logging.getLogger(__name__)


@kopf.on.login()
def login(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    return log_in(settings)


def log_in(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Name the ways in explicitly: by default Kopf prefers whatever client library happens to be installed."""
    found = kopf.login_with_service_account(logger=logger, settings=settings) or kopf.login_with_kubeconfig(
        logger=logger, settings=settings
    )
    if found is None:
        raise kopf.LoginError("neither a service account nor a kubeconfig was found")
    return found


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    use_json()
    _configure(settings)
    ours = OperatorSettings.from_environment()
    for warning in unknown_settings(os.environ):
        logger.warning(warning)

    def credentials() -> kopf.ConnectionInfo:
        return log_in(settings)

    namespace = _watched_namespace() or credentials().default_namespace
    if not namespace:
        raise SettingsInvalid("say which namespace to serve: kopf run --namespace NAMESPACE")
    metrics = OperatorMetrics()
    memo.cluster = Cluster(credentials, namespace, ours.request_timeout_seconds)
    memo.service = ServiceClient(ours.api_url, ours.operator_key_file, ours.request_timeout_seconds)
    memo.patience = ours.heartbeat_seconds
    reconciler = Reconciler(memo.cluster, memo.service, ours, metrics, utc_now)
    memo.loop = ReconcileLoop(reconciler, ours, metrics)
    memo.generations = {}
    port = metrics.serve(ours.metrics_port)
    lifts = Lifts(memo.cluster, memo.service, ours, utc_now, lambda: reconciler.served)
    memo.tasks = [asyncio.create_task(task) for task in (memo.loop.run(), lifts.run())]
    if ours.training_cronjob is not None and ours.queue_wait_seconds:
        memo.tasks.append(asyncio.create_task(QueuedRuns(memo.service, ours, memo.loop.wake).run()))
    logger.info("serving namespace %s; metrics on port %d", namespace, port)


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    for task in memo.tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await memo.cluster.close()
    await memo.service.close()


@kopf.on.probe(id="heartbeat")
def heartbeat(memo: kopf.Memo, **_: Any) -> float:
    """Fail liveness when no look at the namespace has ended for too long."""
    age: float = memo.loop.heartbeat_age_seconds()
    if age > memo.patience:
        raise kopf.PermanentError(f"no look at the namespace ended for {age:.0f} s")
    return round(age, 3)


@kopf.on.event(names.GROUP, names.VERSION, names.PLURAL)
async def drop_changed(event: kopf.RawEvent, memo: kopf.Memo, uid: str, meta: kopf.Meta, **_: Any) -> None:
    """Wake for what users do; the operator's own status writes change no generation."""
    if event["type"] == "DELETED":
        memo.generations.pop(uid, None)
    elif memo.generations.get(uid) == meta["generation"]:
        return
    else:
        memo.generations[uid] = meta["generation"]
    memo.loop.wake()


@kopf.on.event("batch", "v1", "jobs", labels={names.MADE_BY: names.MADE_BY_OPERATOR})
async def job_changed(memo: kopf.Memo, **_: Any) -> None:
    memo.loop.wake()


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.scanning.disabled = True  # no rights on namespaces and CRDs: the operator serves one namespace
    settings.posting.enabled = False  # Kopf's events tell of handlers; the operator posts its own, about drops
    settings.watching.label_selectors["batch", "v1", "jobs"] = f"{names.MADE_BY}={names.MADE_BY_OPERATOR}"
    settings.watching.server_timeout = 600  # a watch that hangs unnoticed ends some time
    settings.networking.request_timeout = 30  # of Kopf's own lists; its default of 5 minutes outlasts the liveness


def _watched_namespace() -> str | None:
    """The namespace Kopf was told on its command line, which it does not hand on to handlers."""
    context = click.get_current_context(silent=True)
    given = (context.params.get("namespaces") or ()) if context else ()
    if len(given) > 1:
        raise SettingsInvalid("one operator serves one namespace")
    return given[0] if given else None
