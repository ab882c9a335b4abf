"""Alerts that depend on `training.schedule`, as rendered for hourly, nightly and weekly training, by promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from rendering import CHART, Object, Refused, render

HOUR = 3600
NUMBERS = re.compile(r"([0-9][0-9.]*) # ([A-Za-z]+)")
OTHER: dict[str, object] = {
    "trainingStaleSeconds": 5400,
    "modelOldSeconds": 1209600,
    "modelsRejected": 5,
    "userCoverage": 0.5,
    "catalogueCoverage": 0.001,
    "coverageKept": 0.9,
    "popularShare": 0.25,
    "viewStaleSeconds": 120,
    "failedShare": 0.002,
    "slowReadSeconds": 0.1,
    "outboxSeconds": 1800,
    "dropRunningSeconds": 14400,
    "operatorSilentSeconds": 900,
}

pytestmark = pytest.mark.xdist_group("promtool")


class Rhythm(NamedTuple):
    """A schedule, and when the two alerts fire after the last training, in seconds."""

    schedule: str
    pause: int
    stale: int
    old: int


RHYTHMS = {
    "hourly": Rhythm("5 * * * *", HOUR, 3 * HOUR, 24 * HOUR),
    "nightly": Rhythm("0 3 * * *", 24 * HOUR, 54 * HOUR, 72 * HOUR),
    "weekly": Rhythm("30 2 * * 0", 168 * HOUR, 342 * HOUR, 504 * HOUR),
}
STEP = 1800
"""Seconds between samples, and between evaluations."""


def rules(values: dict[str, Any]) -> Object:
    """Return the rules as rendered, by name."""
    (found,) = render({**values, "monitoring": {"rules": True, **values.get("monitoring", {})}}).of("PrometheusRule")
    return {rule["alert"]: rule for group in found["spec"]["groups"] for rule in group["rules"]}


def sawtooth(pause: int, count: int, age: bool) -> str:
    """Return the samples of a store where each training ends well: its end, or the age of its model."""
    each = pause // STEP - 1
    return " ".join(f"0+{STEP}x{each}" if age else f"{number * pause}x{each}" for number in range(count))


def scenario(name: str, finished: str, age: str, asked: dict[int, set[str]], found: Object) -> Object:
    """Return promtool's form of a scenario: at which second which of the two alerts fire."""
    questions = []
    for second, firing in asked.items():
        for alert in ("RecommendationTrainingStale", "RecommendationModelOld"):
            rule = found[alert]
            labels = {"namespace": "games", **rule["labels"]}
            expected = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}] if alert in firing else []
            questions.append({"eval_time": f"{second}s", "alertname": alert, "exp_alerts": expected})
    series = {
        "recommendation_training_last_finished_timestamp_seconds": finished,
        "recommendation_model_age_seconds": age,
    }
    inputs = [{"series": f'{metric}{{namespace="games"}}', "values": values} for metric, values in series.items()]
    return {"name": name, "interval": f"{STEP}s", "input_series": inputs, "alert_rule_test": questions}


@pytest.mark.parametrize("name", RHYTHMS)
def test_trainings_that_fail_to_come_are_told_by_their_own_schedule(tool: Path, tmp_path: Path, name: str) -> None:
    schedule, pause, stale, old = RHYTHMS[name]
    found = rules({"training": {"schedule": schedule}})
    whole = max(4 * pause, 26 * HOUR)
    healthy = {second: set[str]() for second in range(0, whole, max(STEP, pause // 4 // STEP * STEP))}
    stopped = {
        stale: set[str](),
        stale + 2 * STEP: {"RecommendationTrainingStale"},
        old: {"RecommendationTrainingStale"},
        old + 3 * STEP: {"RecommendationTrainingStale", "RecommendationModelOld"},
    }
    steps = (old + 4 * STEP) // STEP
    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            scenario(
                "healthy",
                sawtooth(pause, whole // pause, age=False),
                sawtooth(pause, whole // pause, age=True),
                healthy,
                found,
            ),
            scenario("stopped", f"0x{steps}", f"0+{STEP}x{steps}", stopped, found),
        ],
    }
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": list(found.values())}]}))
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run([tool, "test", "rules", tmp_path / "tests.yaml"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_number_of_the_rules_with_a_name_is_a_value_with_that_default() -> None:
    written = {name: float(number) for number, name in NUMBERS.findall((CHART / "files" / "alerts.yaml").read_text())}
    values = yaml.safe_load((CHART / "values.yaml").read_text())["monitoring"]["thresholds"]
    derived = {"trainingStaleSeconds": 3 * HOUR, "modelOldSeconds": 24 * HOUR}
    assert written == {name: derived.get(name, value) for name, value in values.items()}


def test_every_threshold_reaches_its_rule() -> None:
    values = {"monitoring": {"thresholds": OTHER}}
    text = render({"monitoring": {"rules": True, **values["monitoring"]}}).text
    plain = (CHART / "files" / "alerts.yaml").read_text()
    for number, name in NUMBERS.findall(plain):
        plain = plain.replace(f"{number} # {name}", f"{OTHER[name]} # {name}")
    expected = {r["alert"]: r for group in yaml.safe_load(plain)["groups"] for r in group["rules"]}
    assert rules(values) == expected
    assert "e+" not in text


def test_a_threshold_that_cannot_be_is_refused() -> None:
    for wrong in ({"userCoverage": 60}, {"trainingStale": 1}, {"modelsRejected": 0}):
        with pytest.raises(Refused, match=next(iter(wrong))):
            render({"monitoring": {"rules": True, "thresholds": wrong}})
