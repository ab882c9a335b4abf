"""Settings of the operator: a bad one stops the start with one line that names it."""

from pathlib import Path

import pytest

from recommendation_operator.settings import OperatorSettings, SettingsInvalid, settings_of, unknown_settings

NEEDED = {"RECOMMENDATION_SERVICE_URL": "http://service:8010/", "RECOMMENDATION_JOB_TEMPLATE": "/etc/job.yaml"}


def test_what_the_environment_leaves_out_has_its_default() -> None:
    given = NEEDED | {"RECOMMENDATION_OPERATOR_RETRY_SECONDS": "0.5", "RECOMMENDATION_OPERATOR_METRICS_PORT": "0"}
    assert OperatorSettings.from_environment(given) == OperatorSettings(
        service_url="http://service:8010/", job_template=Path("/etc/job.yaml"), retry_seconds=0.5, metrics_port=0
    )


@pytest.mark.parametrize("name", NEEDED)
def test_a_setting_that_is_needed_is_asked_for(name: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"^{name} is not set$"):
        OperatorSettings.from_environment({**NEEDED, name: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [("RESYNC_SECONDS", "soon"), ("RESYNC_SECONDS", "-1"), ("HEARTBEAT_SECONDS", "nan"), ("LIST_CHUNK", "1.5")],
)
def test_a_number_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(
        SettingsInvalid, match=f"^RECOMMENDATION_OPERATOR_{name} must be .* number from 0, not '{value}'"
    ):
        OperatorSettings.from_environment(NEEDED | {f"RECOMMENDATION_OPERATOR_{name}": value})


def test_a_misspelt_setting_is_named_and_settings_of_the_service_are_passed_over() -> None:
    environment = {
        "RECOMMENDATION_OPERATOR_RESYNC_SECOND": "5",
        "RECOMMENDATION_OPERATOR_COLOUR": "red",
        "RECOMMENDATION_TRAINING_CRONJOBS": "nightly",
        "RECOMMENDATION_TRAINING_SUSPENDED": "true",
        "RECOMMENDATION_DATABASE_URL": "sqlite:///s3cret",
        "PATH": "",
    }
    known = {setting.name: "" for setting in settings_of(OperatorSettings)}
    nothing = "is no setting and changes nothing"
    assert list(unknown_settings(environment | known)) == [
        f"RECOMMENDATION_OPERATOR_COLOUR {nothing}",
        f"RECOMMENDATION_OPERATOR_RESYNC_SECOND {nothing}; did you mean RECOMMENDATION_OPERATOR_RESYNC_SECONDS?",
        f"RECOMMENDATION_TRAINING_CRONJOBS {nothing}; did you mean RECOMMENDATION_TRAINING_CRONJOB?",
    ]
