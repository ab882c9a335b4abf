"""
Whatever object the CRD's schema admits, spec and status: it ends, or waits for a reason, and stops no other.

`make fuzz-operator OBJECTS=10000` tries more of them and prints how they ended.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_schema import CustomResource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quiet_world import Clock, QuietCluster, QuietService
from schema_strategies import legal
from world import TEMPLATE, a_drop, read_chart

from recommendation_operator import names
from recommendation_operator.drop import ContentDrop
from recommendation_operator.metrics import OperatorMetrics
from recommendation_operator.reconcile import Reconciler
from recommendation_operator.records import Registration
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.status import CONDITION_TYPES

Json = dict[str, Any]
OBJECTS = int(os.environ.get("RECOMMENDATION_FUZZ_OBJECTS", "40"))
CRD = CustomResource(read_chart("contentdrops.yaml"))
FIELDS = CRD.schema["properties"]
NOW, CREATED = datetime(2026, 11, 28, 12, tzinfo=UTC), "2026-11-28T11:00:00Z"
AFTER_ALL = datetime(2100, 1, 3, tzinfo=UTC)
"""Later than any time that the schema's pattern lets through."""
LOOKS = 12
"""Enough for three drops, one after the other."""
PLACES = legal(FIELDS["spec"]["properties"]["placement"], {}, "spec.placement")
SPECIAL = {
    # What the one rule that needs no former object lets through.
    "spec.placement": PLACES.filter(lambda found: (found.get("firstPosition") or 3) + (found.get("slots") or 2) <= 101),
    "status.conditions[].type": st.sampled_from(CONDITION_TYPES) | st.from_regex(r"[A-Z][a-z]{1,9}", fullmatch=True),
    "status.jobName": st.sampled_from([names.regeneration_job_name("uid-odd", 1), "..", "content-drop-x-1"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=63),
}
OBJECT = st.fixed_dictionaries(
    {"spec": legal(FIELDS["spec"], SPECIAL, "spec")}, optional={"status": legal(FIELDS["status"], SPECIAL, "status")}
)
ENDS: Counter[str] = Counter()


def _ordinary() -> dict[str, Json]:
    """The drops beside the odd one, as the server stores them."""
    found: dict[str, Json] = {}
    for name, more in (("first", {}), ("last", {"releaseTime": "2099-12-31T23:59:59Z"})):
        found[name] = {"metadata": {}, "spec": a_drop(name, **more)["spec"]}
        CRD.admit(found[name], None)
    return found


ORDINARY = _ordinary()


@pytest.fixture(scope="module", autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    ENDS.clear()
    yield
    if "RECOMMENDATION_FUZZ_OBJECTS" in os.environ:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{sum(ENDS.values())} objects:", dict(ENDS.most_common()))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "job.yaml"
    path.write_text(yaml.safe_dump(TEMPLATE))
    return path


async def served(odd: Json, template: Path) -> QuietCluster:
    """Look at a namespace with an odd drop and two ordinary ones, now and at the end of the century."""
    clock, service, metrics = Clock(NOW), QuietService(), OperatorMetrics()
    service.runs["run-of-an-admin"] = "queued"
    cluster = QuietCluster(service, FIELDS["status"], trusted=ORDINARY)
    cluster.put("odd", odd, CREATED)
    for name, ordinary in ORDINARY.items():
        cluster.put(name, ordinary, CREATED)
    ours = OperatorSettings(service_url="http://service", job_template=template, training_cronjob="training")
    reconciler = Reconciler(cluster, service, ours, metrics, clock)
    for now in (NOW, AFTER_ALL):
        clock.now = now
        for _ in range(LOOKS):
            before = cluster.writes
            await reconciler.look()
            if cluster.writes == before and "queued" not in service.runs.values():
                break  # the next look would find the same world
    assert service.runs["run-of-an-admin"] == "succeeded"
    assert metrics.registry.get_sample_value("recommendation_operator_reconcile_total", {"result": "error"}) == 0
    assert metrics.registry.get_sample_value("recommendation_operator_reconcile_total", {"result": "retry"}) == 0
    return cluster


@settings(
    max_examples=OBJECTS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(OBJECT)
def test_no_legal_object_stops_the_operator(template: Path, odd: Json) -> None:
    obj: Json = {"metadata": {"name": "odd"}} | odd
    CRD.admit(obj, None)  # what the schema admits, the server's other rules may refuse: the strategy leaves that out
    cluster = asyncio.run(served(obj, template))
    assert [cluster.condition(name, "Succeeded")["reason"] for name in ("first", "last")] == ["AllShardsSucceeded"] * 2
    finished, succeeded = cluster.condition("odd", "Finished"), cluster.condition("odd", "Succeeded")
    forged = (odd.get("status") or {}).get("conditions") or []
    if any(one["type"] == "Finished" and one["status"] == "True" for one in forged):
        ENDS["said to have ended before the first look"] += 1
        return
    assert finished["status"] == "True" or succeeded["reason"] == "Suspended"
    assert [one["type"] for one in cluster.drops["odd"]["status"]["conditions"]] == list(CONDITION_TYPES)
    if succeeded["reason"] == "Unreadable":
        assert cluster.condition("odd", "Accepted")["status"] == "False"
    ENDS[succeeded["reason"]] += 1


class _Trips(QuietService):
    """A service whose answer about one drop brings a defect of the operator to light."""

    async def register(self, drop: ContentDrop) -> Registration:
        if drop.name == "first":
            raise ZeroDivisionError
        return await super().register(drop)


def test_a_defect_that_one_drop_brings_to_light_stops_no_other(
    template: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        service, metrics = _Trips(), OperatorMetrics()
        cluster = QuietCluster(service, FIELDS["status"])
        for name, ordinary in ORDINARY.items():
            cluster.put(name, ordinary, CREATED)
        ours = OperatorSettings(service_url="http://service", job_template=template)
        reconciler = Reconciler(cluster, service, ours, metrics, Clock(AFTER_ALL))
        for _ in range(LOOKS):
            await reconciler.look()
        assert cluster.condition("first", "Succeeded") == {}
        assert cluster.condition("last", "Succeeded")["reason"] == "AllShardsSucceeded"
        errors = metrics.registry.get_sample_value("recommendation_operator_reconcile_total", {"result": "error"})
        assert errors == LOOKS

    asyncio.run(scene())
    assert "drop uid-first cannot be served" in caplog.text
