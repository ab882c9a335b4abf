"""values.yaml, values.schema.json, the templates, the docs and the service's settings agree, in both directions."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import values_table
import yaml
from rendering import CHART, ROOT, Refused, containers, pod_templates, render
from variants import EVERYTHING, NOTHING, VARIANTS, variant

from recommendation.settings import load_settings

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

OPEN_MAPS = {"ingress.annotations", "httpRoute.annotations", "monitoring.labels", "settings"} | {
    f"pods.{part}" for part in ("labels", "annotations", "nodeSelector")
}
"""Passed through unchanged: the user chooses their keys."""

CHARTS_OWN = {
    "RECOMMENDATION_DATABASE_URL",
    "RECOMMENDATION_DB_POOL_SIZE",
    "RECOMMENDATION_MODEL_PATH",
    "RECOMMENDATION_READER_MEMORY_MIB",
    "RECOMMENDATION_REGENERATION",
    "RECOMMENDATION_REGENERATION_SHARDS",
    "RECOMMENDATION_TRAINING",
    "RECOMMENDATION_TRAINING_DATABASE_URL",
    "RECOMMENDATION_TRAINING_ENGINE",
    "RECOMMENDATION_TRAINING_SCHEDULER",
    "RECOMMENDATION_TRAINING_SUSPENDED",
    "RECOMMENDATION_TRAINING_TLS",
    "RECOMMENDATION_TRAINING_WORKERS",
    "RECOMMENDATION_TRAINING_WORKER_PORT",
    "RECOMMENDATION_API_KEYS_FILE",
    "RECOMMENDATION_EVENTS_URL",
    "RECOMMENDATION_DOCS",
    "RECOMMENDATION_CONSOLE",
}
"""Settings that templates set from other values."""

NEVER_SET = {"RECOMMENDATION_INSECURE_OPEN", "RECOMMENDATION_DRAIN_SECONDS"}
"""In a cluster there are always keys, and the pod's grace period is made for the default drain."""


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        here = f"{path}{key}"
        if isinstance(value, dict) and value and here not in OPEN_MAPS:
            yield from leaves(value, f"{here}.")
        else:
            yield here


def schema_leaves(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    node = SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
    if not path.startswith("settings.") and "properties" in node and path.rstrip(".") not in OPEN_MAPS:
        for key, child in node["properties"].items():
            yield from schema_leaves(child, f"{path}{key}.")
    else:
        yield path.rstrip(".")


def grouped(path: str) -> str:
    """Parts of a resources block are one value."""
    return re.sub(r"\.(requests|limits)\..*|\.(requests|limits)$", "", path)


def used_in_templates() -> set[str]:
    """`.Values.a.b` and what `with`, `range` and helper arguments hand on whole."""
    text = "\n".join(p.read_text() for p in CHART.rglob("templates/**/*") if p.is_file())
    return set(re.findall(r"\.Values\.([A-Za-z.]+[A-Za-z])", text))


def test_the_schema_and_the_values_have_the_same_keys() -> None:
    assert {grouped(p) for p in leaves(VALUES)} == {grouped(p) for p in schema_leaves(SCHEMA)} - {"global"}


def test_the_defaults_keep_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_keeps_the_schema(name: str) -> None:
    jsonschema.validate(VARIANTS[name], SCHEMA)


def test_templates_use_every_value_and_no_other() -> None:
    used = used_in_templates()
    values = {grouped(p) for p in leaves(VALUES)}
    prefixes = {".".join(v.split(".")[:n]) for v in values for n in range(1, v.count(".") + 2)}
    assert used <= prefixes
    for value in values:
        parts = value.split(".")
        assert any(".".join(parts[:n]) in used for n in range(1, len(parts) + 1)), f"{value} is used by no template"


@pytest.mark.parametrize("path", sorted({grouped(p) for p in leaves(VALUES)}))
def test_every_value_is_explained(path: str) -> None:
    explained = {v.path: v.meaning for v in values_table.documented()}
    covering = [p for p in explained if path == p or path.startswith(f"{p}.")]
    assert len(covering) == 1
    assert explained[covering[0]].endswith((".", "there."))


def test_the_table_in_the_docs_is_the_present_one() -> None:
    text = values_table.PAGE.read_text()
    assert values_table.page(text) == text, "run `make chart-docs`"


def test_every_level_refuses_unknown_keys() -> None:
    def levels(node: Any, path: str) -> Iterator[str]:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                yield path
            for key, child in node.items():
                yield from levels(child, f"{path}/{key}")

    assert list(levels(SCHEMA, "")) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"bogus": 1}, "bogus"),
        ({"api": {"replica": 3}}, "replica"),
        ({"persistence": {"storageClass": "fast"}}, "storageClass"),
        ({"settings": {"CF_N_COMPONENT": "3"}}, "CF_N_COMPONENT"),
        ({"settings": {"CF_N_COMPONENTS": 64}}, "string"),
        ({"settings": {"RECOMMENDATION_DATABASE_URL": "sqlite://"}}, "RECOMMENDATION_DATABASE_URL"),
        ({"training": {"schedule": "hourly"}}, "schedule"),
        ({"regeneration": {"shardsAtOnce": 65}}, "64"),
        ({"api": {"resources": {"limits": {"cpu": "1"}}}}, None),
        ({"image": {"digests": {"jobs": "sha256:abc"}}}, "digests"),
        ({"networkPolicy": {"allowFrom": {"api": [{}]}}}, "minProperties"),
        ({"exposedPaths": ["api"]}, "exposedPaths"),
    ],
)
def test_contradictory_or_impossible_values_are_refused(values: dict[str, object], said: str | None) -> None:
    if said is None:  # Helm fills the rest from the defaults: half a resources block is allowed.
        assert render(values).objects
        return
    with pytest.raises(Refused, match=said):
        render(values)


def test_a_global_block_is_tolerated() -> None:
    assert render({"global": {"any": {"thing": 1}}}).text == render().text


class Recorder(dict[str, str]):
    """An environment that remembers which names were read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return default

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return False


def test_the_schema_takes_every_setting_of_the_service_that_the_chart_does_not_set_itself() -> None:
    environment = Recorder()
    load_settings(environment)
    assert set(SCHEMA["properties"]["settings"]["properties"]) | CHARTS_OWN | NEVER_SET == environment.asked


def test_settings_reach_every_pod_that_ranks_or_trains_and_no_other() -> None:
    for where, template in pod_templates(variant("everything")):
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        for container in containers(template):
            names = {e["name"]: e.get("value") for e in container.get("env", [])}
            expected = component in ("api", "training", "regeneration") and container["name"] != "wait-for-schema"
            assert (names.get("CF_N_COMPONENTS") == "64") is expected, where
            assert ("RECOMMENDATION_EVENTS_URL" in names) is expected, where


def test_no_pod_gets_a_setting_that_the_chart_does_not_own_by_default() -> None:
    known = CHARTS_OWN | {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    for _where, template in pod_templates(variant("defaults")):
        if template["metadata"]["labels"]["app.kubernetes.io/component"] in ("api", "training", "regeneration"):
            assert {e["name"] for c in containers(template) for e in c["env"]} <= known


def test_suspended_training_is_known_to_the_api_whose_alerts_it_silences() -> None:
    for values, told in ((NOTHING, "true"), ({}, "false")):
        release = render(values)
        (api,) = release.one("Deployment", "api")["spec"]["template"]["spec"]["containers"]
        assert {"name": "RECOMMENDATION_TRAINING_SUSPENDED", "value": told} in api["env"]
        assert release.one("CronJob", "training")["spec"]["suspend"] is (told == "true")


@pytest.mark.parametrize(
    ("limit", "mib"),
    [
        ("1Gi", 1024),
        ("512Mi", 512),
        ("1.5Gi", 1536),
        ("1G", 953),
        ("2000M", 1907),
        (3 * 2**30, 3072),
        ("0.001Ti", 1048),
    ],
)
def test_a_training_knows_the_memory_of_those_who_read_its_model(limit: str | int, mib: int) -> None:
    limits = {"cpu": "1", "memory": limit}
    release = render({"api": {"resources": {"limits": limits}}})
    pod = release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": "RECOMMENDATION_READER_MEMORY_MIB", "value": str(mib)} in pod["containers"][0]["env"]


def test_pod_values_reach_every_pod() -> None:
    for _where, template in pod_templates(variant("everything")):
        assert template["metadata"]["labels"]["team"] == "games"
        assert template["metadata"]["annotations"]["example.com/scrape"] == "no"
        assert template["spec"]["nodeSelector"] == EVERYTHING["pods"]["nodeSelector"]  # type: ignore[index]
        assert template["spec"]["tolerations"] == EVERYTHING["pods"]["tolerations"]  # type: ignore[index]
        assert template["spec"]["priorityClassName"] == "high"
        assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}]


def test_the_readme_of_the_chart_names_the_five_values_for_production() -> None:
    page = (ROOT / "docs" / "chart.md").read_text()
    for value in (
        "database.existingSecret",
        "apiKeys.existingSecret",
        "image.registry",
        "networkPolicy.allowFrom.api",
        "httpRoute",
    ):
        assert f"`{value}" in page
