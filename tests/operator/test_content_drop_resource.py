"""What the API server itself refuses, so that no drop gets stuck half way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from fake_schema import CustomResource
from fake_store import ApiError, Store, Ticker
from world import a_drop, read_chart

from recommendation_operator import reasons

Json = dict[str, Any]
CRD = read_chart("contentdrops.yaml")
SPEC = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
RESOURCE = CustomResource(CRD)
FULL = a_drop(
    releaseTime="2026-11-25T18:00:00Z",
    audience={"activeWithinDays": 30},
    retrain="IfStale",
    placement={"slots": 2, "firstPosition": 3, "durationDays": 14},
    shards=4,
    suspend=False,
    dryRun=False,
    holdout={"percent": 10},
)
OTHER: Json = {
    "games": [{"id": "g-2"}],
    "releaseTime": "2026-11-25T18:00:01Z",
    "audience": {"activeWithinDays": 31},
    "retrain": "Always",
    "placement": {"slots": 1, "firstPosition": 3, "durationDays": 14},
    "shards": 5,
    "dryRun": True,
    "holdout": {"percent": 11},
}


def admitted(spec: Json, old: Json | None = None) -> Json:
    """The spec as the server would store it; raises ApiError 422."""
    new = json.loads(json.dumps({"metadata": {"name": "n"}, "spec": spec}))
    RESOURCE.admit(new, {"spec": old} if old else None)
    stored: Json = new["spec"]
    return stored


def refusal(spec: Json, old: Json | None = None) -> str:
    with pytest.raises(ApiError) as refused:
        admitted(spec, old)
    assert refused.value.code == 422
    return refused.value.message


def schemas(schema: Json, path: str = "spec") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, sub in schema.get("properties", {}).items():
        yield from schemas(sub, f"{path}.{name}")
    if "items" in schema:
        yield from schemas(schema["items"], f"{path}[]")


def test_a_minimal_drop_gets_the_defaults() -> None:
    assert admitted({"games": [{"id": "g-1"}]}) == {
        "games": [{"id": "g-1"}],
        "retrain": "IfStale",
        "placement": {"slots": 2, "firstPosition": 3, "durationDays": 14},
        "shards": 4,
        "suspend": False,
        "dryRun": False,
    }


def test_null_is_as_if_it_were_not_there() -> None:
    game = {"id": "g-1", "title": None, "similarTo": None}
    spec = {"games": [game], "placement": None, "audience": None, "releaseTime": None, "shards": None}
    assert admitted(spec) == admitted({"games": [{"id": "g-1"}]})


TAKEN_TIMES = (
    *("2026-11-01T00:00:00Z", "2026-11-01t00:00:00z", "2026-11-01T00:00:00+05:30", "2026-11-01T00:00:00-00:00"),
    *("2026-11-01T00:00:00.123456789Z", "2026-11-01T00:00:00,5Z", "2026-11-01T23:59:59+25:00", "2028-02-29T00:00:00Z"),
)
REFUSED_TIMES = (
    *("2026-13-45T00:00:00Z", "2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-01T00:00:60Z", "tomorrow"),
    *("2026-11-01T24:00:00Z", "2026-11-01 00:00:00Z", "2026-11-01T00:00Z", "2026-11-01T00:00:00", "2026-11-01"),
    *("2026-11-01T00:00:00+0100", "2026-11-01T00:00:00 Z", "2026-1-01T00:00:00Z"),
)


@pytest.mark.parametrize("text", TAKEN_TIMES)
def test_a_time_that_the_real_server_takes(text: str) -> None:
    assert admitted({"games": [{"id": "g-1"}], "releaseTime": text})["releaseTime"] == text


@pytest.mark.parametrize("text", REFUSED_TIMES)
def test_a_time_that_the_real_server_refuses(text: str) -> None:
    assert f'must be of type date-time: "{text}"' in refusal({"games": [{"id": "g-1"}], "releaseTime": text})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"games": [{"id": "g-1"}, {"id": "g-1", "title": "again"}]}, 'spec.games[1]: Duplicate value: {"id":"g-1"}'),
        ({"games": [{"id": "g", "similarTo": ["a", "a"]}]}, 'spec.games[0].similarTo[1]: Duplicate value: "a"'),
        ({"games": [{"id": "x" * 129}]}, "spec.games[0].id: Too long: may not be more than 128 bytes"),
        ({}, "spec.games: Required value"),
        ({"shards": 0}, "spec.shards: Invalid value: 0: spec.shards in body should be greater than or equal to 1"),
        (
            {"shards": "4"},
            'spec.shards: Invalid value: "string": spec.shards in body must be of type integer: "string"',
        ),
        ({"retrain": "No"}, 'spec.retrain: Unsupported value: "No": supported values: "Never", "IfStale", "Always"'),
    ],
)
def test_a_refusal_names_object_and_path(spec: Json, said: str) -> None:
    whole = spec if not spec else {"games": [{"id": "g-1"}]} | spec
    assert said in refusal(whole)
    assert refusal(whole).startswith('ContentDrop.recommendation.gamestore.dev "n" is invalid: ')


def test_an_object_of_another_shape_says_that_rules_were_not_checked() -> None:
    assert "<nil>: Invalid value: null: some validation rules were not checked" in refusal({})
    assert "not checked" not in refusal({"games": [{"id": "g-1"}, {"id": "g-1"}]})


def test_a_partial_placement_gets_the_other_defaults() -> None:
    assert admitted({"games": [{"id": "g"}], "placement": {"slots": 5}})["placement"] == {
        "slots": 5,
        "firstPosition": 3,
        "durationDays": 14,
    }


@pytest.mark.parametrize("field", sorted(set(SPEC["properties"]) - {"suspend"}))
@pytest.mark.parametrize("toggle", [False, True])
def test_no_field_but_suspend_can_be_changed(field: str, toggle: bool) -> None:
    old = admitted(FULL["spec"])
    refusal(old | {field: OTHER[field]} | ({"suspend": True} if toggle else {}), old)


@pytest.mark.parametrize("field", ["releaseTime", "audience", "holdout"])
@pytest.mark.parametrize("toggle", [False, True])
def test_no_optional_field_can_be_added_or_taken_away(field: str, toggle: bool) -> None:
    toggled = {"suspend": True} if toggle else {}
    with_it = admitted(FULL["spec"])
    without = {name: value for name, value in with_it.items() if name != field}
    refusal(without | toggled, with_it)
    refusal(with_it | toggled, without)


def test_suspend_can_be_changed() -> None:
    old = admitted(FULL["spec"])
    assert admitted(old | {"suspend": True}, old)["suspend"] is True


def test_a_field_of_a_later_version_is_immutable_without_a_rule_of_its_own() -> None:
    later = json.loads(json.dumps(CRD))
    schema = later["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["newField"] = {"type": "integer"}
    old = admitted(FULL["spec"]) | {"newField": 1}
    with pytest.raises(ApiError, match="immutable"):
        CustomResource(later).admit({"metadata": {"name": "n"}, "spec": old | {"newField": 2}}, {"spec": old})


@pytest.mark.parametrize(
    "spec",
    [
        {"games": []},
        {"games": [{"id": f"g-{n}"} for n in range(201)]},
        {"games": [{"id": "g-1"}, {"id": "g-1"}]},
        {"games": [{"title": "no id"}]},
        *({"games": [{"id": text}]} for text in ("", ".", "..", "a/b", "a\nb", "a\x00b", "a\u200bb", "x" * 129)),
        {"games": [{"id": "g", "title": "t" * 101}]},
        {"games": [{"id": "g", "title": "two\nlines"}]},
        {"games": [{"id": "g", "similarTo": [f"s-{n}" for n in range(6)]}]},
        {"games": [{"id": "g", "similarTo": ["a/b"]}]},
        {"games": [{"id": "g", "similarTo": ["a", "a"]}]},
        {"games": [{"id": "g", "tags": ["t" * 33]}]},
        {"games": [{"id": "g", "tags": [f"t-{n}" for n in range(6)]}]},
        *({"shards": n} for n in (0, 65, "4")),
        {"retrain": "Sometimes"},
        *({"placement": {"slots": s, "firstPosition": p}} for s, p in ((0, 3), (2, 0), (2, 100), (100, 2))),
        *({"placement": {"durationDays": d}} for d in (0, 91)),
        {"audience": {"activeWithinDays": 0}},
        *({"holdout": held} for held in ({}, {"percent": 0}, {"percent": 51}, {"percent": "10"})),
        {"releaseTime": "0001-01-01T00:00:00Z"},
        {"releaseTime": "tomorrow"},
    ],
)
def test_refused(spec: Json) -> None:
    refusal({"games": [{"id": "g-1"}]} | spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"games": [{"id": text}]} if isinstance(text, str) else text
        for text in (
            *("...", "$(X)", "--help", "ゲーム", "a b", "é", "x" * 128),
            {"games": [{"id": "g", "title": "👩‍🚀 $(X) --help"}]},
            {"placement": {"slots": 1, "firstPosition": 100}},
            {"placement": {"slots": 100, "firstPosition": 1, "durationDays": 90}},
            {"shards": 64},
            *({"holdout": {"percent": percent}} for percent in (1, 50)),
        )
    ],
)
def test_taken(spec: Json) -> None:
    stored = admitted({"games": [{"id": "g-1"}]} | spec)
    for name, value in spec.items():
        assert stored[name] == value or stored[name].items() >= value.items()


def test_everything_is_bounded_so_that_rules_are_cheap() -> None:
    for path, schema in schemas(SPEC):
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        if schema["type"] == "string":
            assert "maxLength" in schema or "enum" in schema, path
        for rule in schema.get("x-kubernetes-validations", []):
            assert not any(loop in rule["rule"] for loop in ("all(", "exists", "map(", "filter(")), path


def test_the_largest_legal_drop_fits_into_an_annotation_with_room_to_spare() -> None:
    game = {"id": "i" * 128, "title": "t" * 100, "similarTo": ["s" * 128] * 5, "tags": ["t" * 32] * 5}
    assert len(json.dumps({"spec": {"games": [game] * 200}}, separators=(",", ":"))) < 240_000


def test_its_names_are_its_own() -> None:
    named = CRD["spec"]["names"]
    assert (named["shortNames"], named["categories"]) == (["cdrop"], ["gamestore"])
    columns = CRD["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [[column["name"] for column in columns if column.get("priority", 0) == wide] for wide in (0, 1)]
    assert shown == [
        ["Succeeded", "Reason", "Users", "Of", "Coverage", "Age"],
        ["Release", "Lift", "Model", "Message"],
    ]


def test_status_and_spec_are_written_apart() -> None:
    async def scene() -> None:
        store = Store(Ticker())
        store.admit = lambda plural, new, old: RESOURCE.admit(new, old)
        drop = store.create("contentdrops", a_drop() | {"status": {"jobName": "forged"}})
        assert "status" not in drop
        both = {"spec": drop["spec"] | {"suspend": True}, "status": {"jobName": "x"}}
        changed = store.update("contentdrops", "autumn-release", lambda old: old | both, status=True)
        assert (changed["spec"]["suspend"], changed["status"]["jobName"]) == (False, "x")
        assert changed["metadata"]["generation"] == 1

    asyncio.run(scene())


@pytest.mark.parametrize("version", ["1.31", "1.33", "1.37"])
def test_every_supported_kubernetes_knows_its_shape(version: str) -> None:
    kubernetes_validate.validate(CRD, version, strict=True)


def test_reasons_are_valid_and_distinct() -> None:
    groups = (reasons.UNDER_WAY, reasons.SUCCESSES, reasons.FAILURES)
    everything = [reason for group in groups for reason in group]
    assert len(set(everything)) == len(everything)
    assert all(reason.isalpha() and reason[0].isupper() for reason in (*everything, *reasons.ACCEPTANCES))


def test_the_documentation_explains_every_reason() -> None:
    from world import CHART

    text = (CHART.parents[2] / "docs" / "content-drops.md").read_text()
    told = (*reasons.UNDER_WAY, *reasons.SUCCESSES, *reasons.FAILURES, *reasons.ACCEPTANCES)
    assert [reason for reason in told if f"`{reason}`" not in text] == []
