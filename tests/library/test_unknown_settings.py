"""A variable that looks like a setting and is none is named, with the setting that may be meant."""

from recommendation.environment import settings_of
from recommendation.settings import Settings
from recommendation.unknown_settings import OF_THE_OPERATOR, warnings_of
from recommendation_operator.settings import OperatorSettings
from recommendation_operator.settings import settings_of as settings_of_the_operator


def test_a_misspelt_setting_is_named_with_the_nearest_known_one_and_without_its_value() -> None:
    environment = {"RECOMMENDATION_POPULAR_DAY": "s3cret", "CF_COMPONENTS": "64", "INTERACTION_WEIGHT": "played:1"}
    assert list(warnings_of(environment)) == [
        "CF_COMPONENTS is no setting and changes nothing; did you mean CF_N_COMPONENTS?",
        "INTERACTION_WEIGHT is no setting and changes nothing; did you mean INTERACTION_WEIGHTS?",
        "RECOMMENDATION_POPULAR_DAY is no setting and changes nothing; did you mean RECOMMENDATION_POPULAR_DAYS?",
    ]


def test_one_that_is_like_none_is_named_alone() -> None:
    assert list(warnings_of({"CF_API_TOKEN": "x"})) == ["CF_API_TOKEN is no setting and changes nothing"]


def test_one_of_another_family_is_found_too() -> None:
    said = list(warnings_of({"RECOMMENDATION_HALF_LIFE_DAYS": "30"}))
    assert said == [
        "RECOMMENDATION_HALF_LIFE_DAYS is no setting and changes nothing; did you mean INTERACTION_HALF_LIFE_DAYS?"
    ]


def test_settings_of_ours_and_of_the_operator_and_other_names_are_passed_over() -> None:
    ours = {setting.name: "" for setting in settings_of(Settings).values()}
    operators = {setting.name: "" for setting in settings_of_the_operator(OperatorSettings)}
    assert not list(warnings_of(ours | operators | {"PATH": "", "UVICORN_HOST": ""}))
    assert all(OF_THE_OPERATOR.match(name) for name in operators)


def test_what_kubernetes_says_of_services_is_passed_over() -> None:
    links = {
        "RECOMMENDATION_API_SERVICE_HOST": "10.0.0.1",
        "RECOMMENDATION_API_SERVICE_PORT": "8010",
        "RECOMMENDATION_API_SERVICE_PORT_HTTP": "8010",
        "RECOMMENDATION_API_PORT": "tcp://10.0.0.1:8010",
        "RECOMMENDATION_API_PORT_8010_TCP": "tcp://10.0.0.1:8010",
        "RECOMMENDATION_API_PORT_8010_TCP_ADDR": "10.0.0.1",
    }
    assert not list(warnings_of(links))
    assert len(list(warnings_of({"RECOMMENDATION_API_PORT": "8010"}))) == 1
