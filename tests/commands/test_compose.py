"""`compose.yaml`: what it mounts and builds is there, and it speaks of services, settings and series that we have."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from promtool import ROOT

from recommendation.engine.settings import EngineSettings
from recommendation.environment import settings_of
from recommendation.settings import Settings, load_settings

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts() -> list[tuple[str, str, str]]:
    return [(name, *volume.split(":")[:2]) for name, one in SERVICES.items() for volume in one.get("volumes", [])]


def test_it_has_the_database_the_service_and_what_watches_them() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "api", "trainer", "jobs", "prometheus", "grafana"}


def test_what_is_mounted_is_there_and_named_volumes_are_declared() -> None:
    for name, source, _ in mounts():
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], (name, source)


def test_images_of_ours_are_built_from_dockerfiles_that_copy_what_is_there() -> None:
    built = {one["build"]["dockerfile"] for one in SERVICES.values() if "build" in one}
    assert built == {"service/Dockerfile", "jobs/Dockerfile"}
    for dockerfile in built:
        copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / dockerfile).read_text(), re.MULTILINE)
        assert copied, dockerfile
        for source in " ".join(copied).split():
            assert (ROOT / source).exists(), (dockerfile, source)


def has_compose() -> bool:
    """Tell whether the client is there; it needs no engine to read a file."""
    client = shutil.which("docker")
    return client is not None and subprocess.run([client, "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker has no compose here")
def test_the_client_takes_the_file(tmp_path: Path) -> None:
    asked = ["docker", "compose", "--file", str(ROOT / "compose.yaml"), "config", "--format", "json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(SERVICES)


def test_services_wait_for_services_that_are_there() -> None:
    for name, one in SERVICES.items():
        for other, how in one.get("depends_on", {}).items():
            assert other in SERVICES, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} would wait for ever: {other} is never healthy"


def test_all_settings_of_ours_are_known_ones_with_values_that_are_taken() -> None:
    known = {setting.name for holder in (Settings, EngineSettings) for setting in settings_of(holder).values()}
    ours = {name: one["environment"] for name, one in SERVICES.items() if "build" in one}
    assert set(ours) == {"migrate", "api", "trainer", "jobs"}
    for name, given in ours.items():
        assert set(given) <= known, name
        load_settings(given)


def test_every_port_is_open_to_this_machine_only() -> None:
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_api_leaves_training_to_a_trainer_that_comes_within_the_time_a_run_waits() -> None:
    assert SERVICES["api"]["environment"]["RECOMMENDATION_TRAINING"] == "queued"
    (pause,) = re.findall(r"sleep (\d+)", " ".join(SERVICES["trainer"]["entrypoint"]))
    assert int(pause) < 15 * 60


@pytest.mark.xdist_group("promtool")
def test_prometheus_takes_its_configuration_and_scrapes_with_the_labels_that_alerts_ask_for(
    tool: Path, tmp_path: Path
) -> None:
    # As they are mounted: side by side.
    inside = "/etc/prometheus/"
    for name, source, target in mounts():
        if name == "prometheus" and target.startswith(inside):
            (tmp_path / target.removeprefix(inside)).write_text((ROOT / source).read_text())
    checked = [str(tool), "check", "config", str(tmp_path / "prometheus.yaml")]
    done = subprocess.run(checked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule files found" in done.stdout or "1 rule file" in done.stdout
    (job,) = yaml.safe_load((tmp_path / "prometheus.yaml").read_text())["scrape_configs"]
    (scraped,) = job["static_configs"]
    assert set(scraped["labels"]) == {"namespace", "pod"}
    assert all(target.split(":")[0] in SERVICES for target in scraped["targets"])


def test_grafana_finds_its_data_source_and_its_dashboard() -> None:
    at = {target: ROOT / source for name, source, target in mounts() if name == "grafana"}
    source = yaml.safe_load(at["/etc/grafana/provisioning/datasources/prometheus.yaml"].read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load(at["/etc/grafana/provisioning/dashboards/recommendation.yaml"].read_text())[
        "providers"
    ]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent == Path(provider["options"]["path"])
    assert home in at
