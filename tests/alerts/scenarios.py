"""
What the store goes through in the alert tests, as series, and which alerts must fire then (and no others).

Times are seconds from the start of the simulated Prometheus; a series' values are promtool's `start+step x count`.
"""

from typing import Any, NamedTuple

Labels = dict[str, str]
NAMESPACE = {"namespace": "games"}
POD = {**NAMESPACE, "pod": "api-0"}
READ = '{namespace="games",pod="api-0",route="/api/v1/recommendation/user/{user_id}"'
WRITE = '{namespace="games",pod="api-0",route="/api/v1/recommendation/interactions"'
POD_TEXT = '{namespace="games",pod="api-0"}'
OTHER_POD_TEXT = '{namespace="games",pod="api-1"}'
COUNT = "recommendation_http_request_duration_seconds_count"
BUCKET = "recommendation_http_request_duration_seconds_bucket"


class Scenario(NamedTuple):
    """A scenario: series by name (values each minute), when to look, and the alerts with their extra labels."""

    name: str
    series: dict[str, str]
    at: str
    fires: dict[str, Labels] = {}  # noqa: RUF012 (never changed)


def with_pod(**series: str) -> dict[str, str]:
    """Return series of the first replica, by the metric's name without its prefix."""
    return {f"recommendation_{name}{POD_TEXT}": values for name, values in series.items()}


HEALTHY = {
    **with_pod(
        store_up="1x2000",
        training_last_finished_timestamp_seconds="0+60x2000",
        training_last_success_timestamp_seconds="0+60x2000",
        training_failed_in_a_row="0x2000",
        training_rejected_in_a_row="0x2000",
        training_suspended="0x2000",
        model_live="1x2000",
        model_loaded="1x2000",
        model_age_seconds="600x2000",
        user_coverage_ratio="0.95x2000",
        catalogue_coverage_ratio="0.4x2000",
        owned_leak_total="0x2000",
        fallback_ratio="0x2000",
        view_age_seconds="30x2000",
        outbox_oldest_age_seconds="0x2000",
        experiment_models_missing="0x2000",
        experiment_models_lost="0x2000",
    ),
    'recommendation_reads_total{namespace="games",pod="api-0",made="stored"}': "0+600x2000",
    'recommendation_reads_total{namespace="games",pod="api-0",made="popular"}': "0+6x2000",
    'recommendation_reads_total{namespace="games",pod="api-0",made="newcomer"}': "0+6000x2000",
    'recommendation_training_last_result{namespace="games",pod="api-0",result="insufficient_data"}': "0x2000",
    'recommendation_sample_ratio_mismatches{namespace="games",pod="api-0",kind="experiment"}': "0x2000",
    'recommendation_sample_ratio_mismatches{namespace="games",pod="api-0",kind="drop"}': "0x2000",
    'recommendation_ingest_errors_total{namespace="games",pod="api-0",cause="unavailable"}': "0x2000",
    f'{COUNT}{READ},status="200"}}': "0+600x2000",
    f'{COUNT}{READ},status="503"}}': "0x2000",
    f'{COUNT}{WRITE},status="200"}}': "0+600x2000",
    f'{BUCKET}{READ},status="200",le="0.1"}}': "0+600x2000",
    f'{BUCKET}{READ},status="200",le="0.25"}}': "0+600x2000",
    f'{BUCKET}{READ},status="200",le="1.0"}}': "0+600x2000",
    f'{BUCKET}{READ},status="200",le="+Inf"}}': "0+600x2000",
    "recommendation_operator_heartbeat_timestamp_seconds" + POD_TEXT: "0+60x2000",
    "recommendation_content_drop_running_seconds" + POD_TEXT: "0x2000",
    'recommendation_content_drops{namespace="games",pod="api-0",condition="queued"}': "0x2000",
    'recommendation_content_drops{namespace="games",pod="api-0",condition="progressing"}': "0x2000",
    'recommendation_content_drops{namespace="games",pod="api-0",condition="failed"}': "0x2000",
}
"""A healthy store."""


def changed(**series: str) -> dict[str, str]:
    """Return the healthy store with other values for some series of the first replica."""
    return {**HEALTHY, **with_pod(**series)}


def drops(**conditions: str) -> dict[str, str]:
    """Return the healthy store with drops in some conditions."""
    name = 'recommendation_content_drops{{namespace="games",pod="api-0",condition="{}"}}'
    return {**HEALTHY, **{name.format(condition): values for condition, values in conditions.items()}}


def counts(**series: str) -> dict[str, str]:
    """Return the healthy store with other request counts: `read_503`, `write_503`, `reads_popular`, `errors`."""
    names = {
        "read_503": f'{COUNT}{READ},status="503"}}',
        "popular": 'recommendation_reads_total{namespace="games",pod="api-0",made="popular"}',
        "errors": 'recommendation_ingest_errors_total{namespace="games",pod="api-0",cause="unavailable"}',
        "fast": f'{BUCKET}{READ},status="200",le="0.25"}}',
        "faster": f'{BUCKET}{READ},status="200",le="0.1"}}',
        "insufficient": (
            'recommendation_training_last_result{namespace="games",pod="api-0",result="insufficient_data"}'
        ),
    }
    return {**HEALTHY, **{names[name]: values for name, values in series.items()}}


def missing(**kinds: str) -> dict[str, str]:
    """Return the healthy store with experiments or drops that lack users of a variant."""
    name = 'recommendation_sample_ratio_mismatches{{namespace="games",pod="api-0",kind="{}"}}'
    return {**HEALTHY, **{name.format(kind): values for kind, values in kinds.items()}}


def alert(*names: str, **labels: Labels) -> dict[str, Labels]:
    """Return alerts by name, with the namespace, or with labels of their own."""
    return {**{f"Recommendation{name}": NAMESPACE for name in names}, **labels}


WITHOUT_API = {name: values for name, values in HEALTHY.items() if "operator" in name or "content_drop" in name}
FRESH = with_pod(
    store_up="1x2000",
    training_failed_in_a_row="0x2000",
    training_rejected_in_a_row="0x2000",
    training_suspended="0x2000",
    model_live="0x2000",
    model_loaded="0x2000",
    owned_leak_total="0x2000",
    view_age_seconds="30x2000",
) | {
    'recommendation_training_last_result{namespace="games",pod="api-0",result="insufficient_data"}': "0x60 1x2000",
    'recommendation_reads_total{namespace="games",pod="api-0",made="popular"}': "0+600x2000",
    'recommendation_sample_ratio_mismatches{namespace="games",pod="api-0",kind="experiment"}': "0x2000",
    'recommendation_sample_ratio_mismatches{namespace="games",pod="api-0",kind="drop"}': "0x2000",
    'recommendation_reads_total{namespace="games",pod="api-0",made="stored"}': "0x2000",
    'recommendation_content_drops{namespace="games",pod="api-0",condition="failed"}': "0x2000",
}
OTHER_REPLICA = {"recommendation_model_live" + OTHER_POD_TEXT: "1x2000"}
AGED = "3600+60x2000"

SCENARIOS = [
    Scenario("nothing was ever scraped", {}, "20h"),
    Scenario("all is well", HEALTHY, "30h"),
    Scenario("a fresh install serves popular games and has too little data to train", FRESH, "20h"),
    Scenario(
        "training stopped for four hours",
        changed(training_last_finished_timestamp_seconds="0x2000"),
        "4h",
        alert("TrainingStale"),
    ),
    Scenario("training stopped for two hours", changed(training_last_finished_timestamp_seconds="0x2000"), "2h"),
    Scenario(
        "training is suspended and the model grows old",
        changed(training_last_finished_timestamp_seconds="0x2000", training_suspended="1x2000", model_age_seconds=AGED),
        "30h",
    ),
    Scenario(
        "one of two replicas has not read the newer run yet",
        changed(training_last_finished_timestamp_seconds="0x2000")
        | {"recommendation_training_last_finished_timestamp_seconds" + OTHER_POD_TEXT: "0+60x2000"},
        "10h",
    ),
    Scenario("a training failed", changed(training_failed_in_a_row="0x60 1x60"), "70m", alert("TrainingFailed")),
    Scenario("a training failed and the next succeeded", changed(training_failed_in_a_row="0x60 1x60 0x60"), "130m"),
    Scenario("a store with a model has too little data", counts(insufficient="1x60"), "30m", alert("TrainingFailed")),
    Scenario("two models were rejected", changed(training_rejected_in_a_row="2x600"), "2h"),
    Scenario("three models were rejected", changed(training_rejected_in_a_row="3x600"), "2h", alert("ModelsRejected")),
    Scenario("the model is two days old", changed(model_age_seconds="172800x600"), "2h", alert("ModelOld")),
    Scenario("few users have a personal list", changed(user_coverage_ratio="0.5x99"), "1h", alert("UserCoverageLow")),
    Scenario("user coverage was low for a moment", changed(user_coverage_ratio="0.5x9 0.9x99"), "1h"),
    Scenario(
        "all users see the same games",
        changed(catalogue_coverage_ratio="0.01x99"),
        "1h",
        alert("CatalogueCoverageLow"),
    ),
    Scenario(
        "user coverage fell since yesterday",
        changed(user_coverage_ratio="0.95x1400 0.7x200"),
        "25h",
        alert("CoverageDropped"),
    ),
    Scenario(
        "catalogue coverage fell since yesterday",
        changed(catalogue_coverage_ratio="0.4x1400 0.3x200"),
        "25h",
        alert("CoverageDropped"),
    ),
    Scenario("coverage fell a little since yesterday", changed(user_coverage_ratio="0.95x1400 0.85x200"), "25h"),
    Scenario("known users are shown popular games only", counts(popular="0+600x99"), "1h", alert("FallbackHigh")),
    Scenario(
        "few users read, and they get popular games",
        {
            **HEALTHY,
            'recommendation_reads_total{namespace="games",pod="api-0",made="stored"}': "0x99",
            'recommendation_reads_total{namespace="games",pod="api-0",made="popular"}': "0+1x99",
        },
        "1h",
    ),
    Scenario("a list held an owned game", changed(owned_leak_total="0x60 1x99"), "65m", alert("OwnedLeak")),
    Scenario("an owned game was found long ago", changed(owned_leak_total="0x60 1x999"), "4h"),
    Scenario("the last replica is gone", {**HEALTHY, **with_pod(store_up="1x60")}, "90m", alert("ApiDown")),
    Scenario("the API was never scraped", WITHOUT_API, "20h"),
    Scenario("the database is away", changed(store_up="1x60 0x60"), "70m", alert("StoreDown")),
    Scenario(
        "one replica of two reaches the database",
        changed(store_up="0x99") | {"recommendation_store_up" + OTHER_POD_TEXT: "1x99"},
        "70m",
    ),
    Scenario(
        "a replica has not loaded the live model",
        HEALTHY | OTHER_REPLICA | {"recommendation_model_loaded" + OTHER_POD_TEXT: "0x2000"},
        "1h",
        alert(RecommendationModelNotLoaded={**NAMESPACE, "pod": "api-1"}),
    ),
    Scenario(
        "a replica's view stands still",
        changed(view_age_seconds="0+60x99"),
        "20m",
        alert(RecommendationViewStale=POD),
    ),
    Scenario("the view stands still as the store is away", changed(view_age_seconds="0+60x9", store_up="0x2"), "9m"),
    Scenario("writes are turned away", counts(errors="0+60x99"), "30m", alert("IngestErrors")),
    Scenario("one write in a thousand is turned away", counts(errors="0+0.6x99"), "30m"),
    Scenario("lists cannot be read", counts(read_503="0+60x99"), "30m", alert("ReadsFailing")),
    Scenario("one list in a thousand cannot be read", counts(read_503="0+0.6x99"), "30m"),
    Scenario("lists are slow", counts(fast="0+540x99", faster="0+540x99"), "30m", alert("ReadsSlow")),
    Scenario("most lists take a fifth of a second", counts(faster="0+60x99"), "30m"),
    Scenario(
        "a drop has been at work for three hours",
        changed(content_drop_running_seconds="0+60x999"),
        "3h",
        alert("DropStuck"),
    ),
    Scenario("a drop has been at work for an hour", changed(content_drop_running_seconds="0+60x999"), "1h"),
    Scenario(
        "the broker is away",
        changed(outbox_oldest_age_seconds="0+60x999"),
        "20m",
        alert("OutboxNotDraining"),
    ),
    Scenario(
        "the broker was away for ten minutes",
        changed(outbox_oldest_age_seconds="0+60x10 0x99"),
        "16m",
    ),
    Scenario(
        "another replica sees the outbox too, a little later",
        changed(outbox_oldest_age_seconds="0+60x999")
        | {"recommendation_outbox_oldest_age_seconds" + OTHER_POD_TEXT: "0x5 0+60x999"},
        "20m",
        alert("OutboxNotDraining"),
    ),
    Scenario("an experiment lacks users", missing(experiment="0x5 1x99"), "20m", alert("SampleRatioMismatch")),
    Scenario("two drops lack users held back", missing(drop="0x5 2x99"), "20m", alert("SampleRatioMismatch")),
    Scenario("an experiment lacked users until the next training", missing(experiment="1x60 0x60"), "70m"),
    Scenario(
        "one of two replicas has not read it yet",
        missing(drop="1x99")
        | {'recommendation_sample_ratio_mismatches{namespace="games",pod="api-1",kind="drop"}': "0x99"},
        "20m",
        alert("SampleRatioMismatch"),
    ),
    Scenario(
        "a replica does not hold a model that an experiment names",
        HEALTHY | {"recommendation_experiment_models_missing" + OTHER_POD_TEXT: "0x5 1x99"},
        "20m",
        alert("ExperimentModelMissing"),
    ),
    Scenario("a replica loads an experiment's model", changed(experiment_models_missing="0x5 1x3 0x99"), "20m"),
    Scenario(
        "an experiment's model is not kept any more, and every replica still holds it",
        changed(experiment_models_lost="0x5 1x99"),
        "20m",
        alert("ExperimentModelMissing"),
    ),
    Scenario("a drop waits though none is at work", drops(queued="1x99"), "40m", alert("DropStuck")),
    Scenario("a drop waits behind another", drops(queued="1x99", progressing="1x99"), "40m"),
    Scenario("drops are scheduled or suspended", drops(scheduled="3x2000", suspended="2x2000"), "30h"),
    Scenario("a drop failed", drops(failed="0x90 1x99"), "100m", alert("DropFailed")),
    Scenario("the first drop ever failed", drops(failed="1x30"), "10m", alert("DropFailed")),
    Scenario("a drop failed yesterday", drops(failed="0x90 1x1000"), "10h"),
    Scenario(
        "the operator stands still",
        changed(operator_heartbeat_timestamp_seconds="0x99"),
        "30m",
        alert("OperatorDown"),
    ),
    Scenario(
        "the operator is gone",
        changed(operator_heartbeat_timestamp_seconds="0+60x30"),
        "90m",
        alert("OperatorDown"),
    ),
    Scenario(
        "the operator was replaced",
        changed(operator_heartbeat_timestamp_seconds="0+60x30")
        | {"recommendation_operator_heartbeat_timestamp_seconds" + OTHER_POD_TEXT: "_x30 1860+60x99"},
        "90m",
    ),
]


LONG_MINUTES = 240
"""Longer scenarios are evaluated every ten minutes; each minute of a day takes promtool too long."""


def rule_tests(rules_file: str, rules: dict[str, Any], is_long: bool) -> dict[str, Any]:
    """Return promtool's document of the long scenarios or the short ones; each names every alert."""
    return {
        "rule_files": [rules_file],
        "evaluation_interval": "10m" if is_long else "1m",
        "tests": [_test(scenario, rules) for scenario in SCENARIOS if (_minutes(scenario) > LONG_MINUTES) == is_long],
    }


def _minutes(scenario: Scenario) -> int:
    return int(scenario.at[:-1]) * (60 if scenario.at.endswith("h") else 1)


def _test(scenario: Scenario, rules: dict[str, Any]) -> dict[str, Any]:
    questions = []
    for name, rule in rules.items():
        expected = []
        if name in scenario.fires:
            labels = {**scenario.fires[name], **rule["labels"]}
            expected = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}]
        questions.append({"eval_time": scenario.at, "alertname": name, "exp_alerts": expected})
    enough = f"x{_minutes(scenario) + 1}"
    series = [{"series": name, "values": values.replace("x2000", enough)} for name, values in scenario.series.items()]
    return {"name": scenario.name, "interval": "1m", "input_series": series, "alert_rule_test": questions}
