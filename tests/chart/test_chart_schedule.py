"""What the chart makes of `training.schedule`: how far apart its starts are, against a calendar of eleven years."""

import json
import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from rendering import CHART, Refused, containers, helm, render

COMMON = {
    "5 * * * *": (3600, 3600),
    "@hourly": (3600, 3600),
    "*/15 * * * *": (900, 900),
    "0 3 * * *": (86400, 86400),
    "@daily": (86400, 86400),
    "0 6,18 * * *": (43200, 43200),
    "0 1-5 * * *": (20 * 3600, 3600),
    "30 2 * * 0": (7 * 86400, 7 * 86400),
    "30 2 * * SUN": (7 * 86400, 7 * 86400),
    "0 3 * * 1-5": (3 * 86400, 86400),
    "@monthly": (31 * 86400, 28 * 86400),
    "0 0 1 * 1": (7 * 86400, 86400),
}
DAYS = [date(2023, 1, 1) + timedelta(days=number) for number in range(11 * 365)]


def pauses(schedules: list[str], folder: Path) -> list[tuple[int, int]]:
    """Return the longest and the shortest pause of each schedule, from the chart's own template in one render."""
    chart = folder / "pauses"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: pauses, version: 0.1.0}")
    text = (CHART / "templates" / "_schedule.tpl").read_text()
    (chart / "templates" / "_schedule.tpl").write_text(text)
    line = 'found:\n{{ range .Values.schedules }}- {{ include "recommendation.pauses" . }}\n{{ end }}'
    (chart / "templates" / "pauses.yaml").write_text(line)
    done = helm("template", "pauses", str(chart), "--values", "-", stdin=json.dumps({"schedules": schedules}))
    assert done.returncode == 0, done.stderr
    return [(found["longest"], found["shortest"]) for found in yaml.safe_load(done.stdout)["found"]]


def numbers(field: str, lowest: int, highest: int) -> set[int]:
    """Return what a field of digits stands for."""
    found: set[int] = set()
    for part in field.split(","):
        ends, _, step = part.partition("/")
        first, _, last = ends.partition("-")
        start = lowest if first == "*" else int(first)
        end = int(last) if last else highest if first == "*" or step else start
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def seen(schedule: str) -> tuple[int, int]:
    """Return the longest and the shortest pause between all starts of the years."""
    minutes, hours, of_month, months, of_week = schedule.split()
    times = sorted(h * 60 + m for h in numbers(hours, 0, 23) for m in numbers(minutes, 0, 59))

    def starts(day: date) -> bool:
        in_month = day.day in numbers(of_month, 1, 31)
        in_week = day.isoweekday() % 7 in numbers(of_week, 0, 6)
        either = of_month != "*" and of_week != "*"
        return day.month in numbers(months, 1, 12) and (in_month or in_week if either else in_month and in_week)

    days = np.array([number for number, day in enumerate(DAYS) if starts(day)])
    gaps = np.diff((days[:, None] * 1440 + np.array(times)).ravel()) * 60
    return int(gaps.max()), int(gaps.min())


def random_schedules(count: int) -> list[str]:
    dice = random.Random(17)
    choices = [
        ["0", "5,35", "*/20", "10-12"],
        ["3", "*", "*/6", "1,2,23", "8-18/5"],
        ["*", "1", "31", "1,15", "*/10", "29", "5-7"],
        ["*", "1", "*/3", "2-3"],
        ["*", "0", "1-5", "2,6", "*/2"],
    ]
    return [" ".join(dice.choice(field) for field in choices) for _ in range(count)]


def test_the_pauses_of_common_schedules_are_exact(tmp_path: Path) -> None:
    assert dict(zip(COMMON, pauses(list(COMMON), tmp_path), strict=True)) == COMMON


def test_no_pause_is_longer_than_the_longest_nor_shorter_than_the_shortest(tmp_path: Path) -> None:
    schedules = random_schedules(120)
    for schedule, (longest, shortest) in zip(schedules, pauses(schedules, tmp_path), strict=True):
        most, least = seen(schedule)
        assert least >= shortest > 0, schedule
        assert most <= longest, schedule


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("5 * * * *", 3300), ("*/15 * * * *", 825), ("0 3 * * *", 21600), ("30 2 * * 0", 21600)],
)
def test_a_training_ends_before_the_next_starts(schedule: str, seconds: int) -> None:
    job = render({"training": {"schedule": schedule}}).one("CronJob", "training")["spec"]["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] == seconds


def test_deadlines_are_values() -> None:
    release = render({"training": {"activeDeadlineSeconds": 7200}, "regeneration": {"activeDeadlineSeconds": 600}})
    assert release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 7200
    assert release.job_template()["spec"]["activeDeadlineSeconds"] == 600


@pytest.mark.parametrize(
    ("schedule", "said"),
    [("61 * * * *", "61 stands for nothing"), ("0 3 * * 7", "7 stands for"), ("0 3 * * XYZ", "XYZ is no number")],
)
def test_a_schedule_that_never_comes_is_refused(schedule: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        render({"training": {"schedule": schedule}})


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("5 * * * *", "7200"), ("0 3 * * *", "172800"), ("30 2 * * 0", "1209600")],
)
def test_a_drop_finds_the_model_stale_when_two_trainings_are_missing(schedule: str, seconds: str) -> None:
    operator = render({"training": {"schedule": schedule}}).one("Deployment", "operator")["spec"]["template"]
    given = {item["name"]: item.get("value") for item in containers(operator)[0]["env"]}
    assert given["RECOMMENDATION_OPERATOR_STALE_MODEL_SECONDS"] == seconds
