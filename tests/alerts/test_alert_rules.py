"""Alerts: each fires when it should, is silent when the store is healthy or nothing is known, and has a runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from promtool import ROOT
from scenarios import SCENARIOS, rule_tests

RULES_FILE = ROOT / "helm" / "recommendation-service" / "files" / "alerts.yaml"
RULES: dict[str, Any] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
}
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
FIRST_WORDS = ["Impact", "Urgency", "First command", "Stop the harm", "Tell"]
SHELL = re.MULTILINE | re.DOTALL
PARTS = ["## What it means", "## How to check", "## What to do", "## How to prevent it"]


pytestmark = pytest.mark.xdist_group("promtool")


def run(tool: Path, *arguments: str | Path) -> str:
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed(tool: Path) -> None:
    assert f"{len(RULES)} rules found" in run(tool, "check", "rules", RULES_FILE)


@pytest.mark.parametrize("is_long", [False, True], ids=["short", "long"])
def test_in_every_scenario_just_the_right_alerts_fire(tool: Path, tmp_path: Path, is_long: bool) -> None:
    file = tmp_path / "scenarios.yaml"
    file.write_text(yaml.safe_dump(rule_tests(str(RULES_FILE), RULES, is_long), sort_keys=False))
    assert "SUCCESS" in run(tool, "test", "rules", file)


def test_a_scenario_that_expects_the_wrong_alert_is_noticed(tool: Path, tmp_path: Path) -> None:
    document = rule_tests(str(RULES_FILE), RULES, is_long=False)
    del document["tests"][1:]
    for question in document["tests"][0]["alert_rule_test"]:
        question["exp_alerts"] = [{"exp_labels": {"namespace": "games"}}]
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run([tool, "test", "rules", file], capture_output=True, timeout=120)
    assert done.returncode != 0


@pytest.mark.parametrize("name", RULES)
def test_every_alert_fires_in_a_scenario_of_its_own(name: str) -> None:
    assert any(list(scenario.fires) == [name] for scenario in SCENARIOS)


@pytest.mark.parametrize("name", RULES)
def test_every_alert_has_a_severity_and_a_runbook_that_says_what_to_do(name: str) -> None:
    rule = RULES[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    page = re.sub(r"(?<!^)(?=[A-Z])", "-", name.removeprefix("Recommendation")).lower()
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{page}.md"
    text = (ROOT / rule["annotations"]["runbook"]).read_text()
    assert text.startswith(f"# {name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == PARTS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_runbook_begins_with_what_a_woken_person_needs(page: Path) -> None:
    head = page.read_text().split("\n\n")[1].splitlines()
    assert [line.split(":**", 1)[0] for line in head] == [f"- **{word}" for word in FIRST_WORDS]
    assert all(line.endswith((".", "`")) for line in head)
    (command,) = re.findall(r"`([^`]+)`", head[2])
    # Whole and to be copied: it names its namespace and leaves no gap.
    assert command.startswith("kubectl --namespace shop ")
    assert not re.search(r"…|<|\b[A-Z]{4,}\b", command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_runbook_sets_what_its_commands_use_before_they_do(page: Path) -> None:
    (block,) = re.findall(
        r"^```sh\n.*?^```\n", (ROOT / "docs" / "operations.md").read_text().split("## Logs")[0], SHELL
    )
    before, after = page.read_text().split(block)
    assert before.count("## ") == 0
    assert set(re.findall(r"\$([A-Z]+)", after)) <= set(re.findall(r"^([A-Z]+)=", block, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_runbooks_name_only_what_the_release_holds(page: Path) -> None:
    """The golden render is that of the release `recs` in the namespace `shop`."""
    golden = (ROOT / "tests" / "chart" / "golden" / "defaults.yaml").read_text()
    named = set(re.findall(r"\brecs-[a-z-]+", page.read_text()))
    assert named <= set(re.findall(r"\brecs-[a-z-]+", golden))
    for component in re.findall(r"app\.kubernetes\.io/component=([a-z]+)", page.read_text()):
        assert f"app.kubernetes.io/component: {component}\n" in golden
    for container in re.findall(r"--container ([a-z]+)", page.read_text()):
        assert f"- name: {container}\n" in golden


def test_there_is_no_runbook_without_an_alert() -> None:
    named = {ROOT / rule["annotations"]["runbook"] for rule in RULES.values()}
    assert set(RUNBOOKS.glob("*.md")) == named


def test_no_rule_names_a_host() -> None:
    assert "://" not in RULES_FILE.read_text()
