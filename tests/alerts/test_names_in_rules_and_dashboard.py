"""Every expression of the alerts and the dashboard parses, and names metrics and labels that real scrapes have."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from promtool import ROOT
from starlette.testclient import TestClient

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.regeneration.store import open_regeneration
from recommendation.settings import Settings
from recommendation.training.train import train
from recommendation_api.app import PREFIX, create_app
from recommendation_operator.metrics import OperatorMetrics

FILES = ROOT / "helm" / "recommendation-service" / "files"
ADDED_BY_PROMETHEUS = {"namespace", "pod", "le"}
_METRIC = re.compile(r"\b((?:recommendation|process)_[a-z0-9_]+)(?:\{([^}]*(?:\{user_id\}[^}]*)?)\})?")
_LABEL = re.compile(r"\b([a-z_]+)\s*(?:=~|!=|!~|=)")
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


pytestmark = pytest.mark.xdist_group("promtool")


@pytest.fixture(scope="module")
def scrapes(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Scrapes of the API and the operator after some work: a training, a regeneration, reads, writes, feedback."""
    folder = tmp_path_factory.mktemp("scraped")
    (folder / "app.db").write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{folder / 'app.db'}"
    settings = Settings(database_url=url, model_path=folder / "models" / "cf.pkl", training="queued", drain_seconds=0)
    with TestClient(create_app(settings)) as client:
        events = [
            {"user_id": f"u{user}", "game_id": f"g{game}", "event_type": "played"}
            for user in range(12)
            for game in range(12)
            if user % 2 == game % 2 and user != game
        ]
        client.post(f"{PREFIX}/interactions", json=events)
        client.post(f"{PREFIX}/feedback", json=[{"user_id": "u1", "game_id": "g2", "action": "clicked"}])
        database = Database(url)
        train(database, settings, SteadyClock(), None, lambda stage: None)
        with database.writing() as connection:
            opened = open_regeneration(connection, None, None, 1, SteadyClock()())
        database.close()
        _regenerate(settings, opened.regeneration_id)
        client.get(f"{PREFIX}/user/u1")
        api = client.get("/metrics").text
    return api, generate_latest(OperatorMetrics().registry).decode()


def _regenerate(settings: Settings, regeneration_id: str) -> None:
    from recommendation.lists.personal import ListSettings
    from recommendation.regeneration.shard import regenerate_shard

    database = Database(settings.database_url)
    lists = ListSettings(settings.list_length)
    regenerate_shard(database, regeneration_id, 0, lists, settings.model_max_bytes, SteadyClock(), lambda users: None)
    database.close()


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row and panel, those inside folded rows too."""
    return [panel for outer in dashboard["panels"] for panel in (outer, *outer.get("panels", ()))]


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    for panel in panels_of(dashboard):
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


EXPRESSIONS = dict(expressions())


def labels_by_sample(*texts: str) -> dict[str, set[str]]:
    """Return the labels of every sample's name, and for a metric without samples those that its HELP announces."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_and_label_is_one_that_a_real_scrape_has(name: str, scrapes: tuple[str, str]) -> None:
    known = labels_by_sample(*scrapes)
    # Known by name and HELP only until the first drop, run or gate gives them samples.
    announced = set(re.findall(r"^# HELP (\S+)", "\n".join(scrapes), re.MULTILINE))
    expression = EXPRESSIONS[name]
    named = _METRIC.findall(expression)
    assert named
    reachable: set[str] = set(ADDED_BY_PROMETHEUS)
    for metric, matchers in named:
        assert metric in known or metric in announced, metric
        labels = known.get(metric, {"measure"} if metric == "recommendation_model_quality" else set())
        reachable |= labels
        assert set(_LABEL.findall(re.sub(r'"[^"]*"', "", matchers))) <= labels | ADDED_BY_PROMETHEUS, metric
    for grouping in _GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= reachable


def test_every_expression_parses(tool: Path, tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"record": f"test:expression:{number}", "expr": expression.replace("$namespace", "games")}
        for number, expression in enumerate(EXPRESSIONS.values())
    ]
    file = tmp_path / "expressions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run([tool, "check", "rules", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("process", [0, 1], ids=["api", "operator"])
def test_a_real_scrape_is_clean(tool: Path, scrapes: tuple[str, str], process: int) -> None:
    done = subprocess.run(
        [tool, "check", "metrics"], input=scrapes[process], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    everything = panels_of(dashboard)
    assert len({panel["id"] for panel in everything}) == len(everything)
    inside = [row["panels"] for row in dashboard["panels"] if row.get("collapsed")]
    for panels in (dashboard["panels"], *inside):  # a folded row has its own places
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_the_dashboard_begins_with_alerts_and_has_a_folded_row_for_each_role() -> None:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    assert [panel["type"] for panel in panels[:2]] == ["row", "alertlist"]
    assert panels[1]["options"]["alertInstanceLabelFilter"] == '{namespace="$namespace"}'
    rows = [panel for panel in panels[1:] if panel["type"] == "row"]
    assert [row["title"].split(":")[0] for row in rows] == [
        "For who is on call",
        "For store backends",
        "For release managers",
        "For data scientists",
    ]
    assert all(row["collapsed"] and row["panels"] for row in rows)


def test_every_panel_says_what_is_good_and_every_runbook_is_named_by_a_panel_about_it() -> None:
    panels = [p for p in panels_of(json.loads((FILES / "dashboard.json").read_text())) if p["type"] != "row"]
    assert [panel["title"] for panel in panels if " Good: " not in panel["description"]] == []
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    told = re.findall(r"runbooks? ([a-z-]+(?:, [a-z-]+-[a-z-]+)*)", " ".join(panel["description"] for panel in panels))
    assert {name for names in told for name in names.split(", ")} == pages
