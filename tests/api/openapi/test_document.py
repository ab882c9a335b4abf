"""The OpenAPI document is valid, complete and named: what generators of clients need."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Document = dict[str, Any]
JSON, PROBLEM = "application/json", "application/problem+json"
OPEN = {"/healthz", "/readyz", "/metrics"}
"""Routes that ask for no key."""


def nodes(node: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in a document with its place."""
    if isinstance(node, dict):
        yield place, node
        for key, part in node.items():
            yield from nodes(part, f"{place}/{key}")
    elif isinstance(node, list):
        for index, part in enumerate(node):
            yield from nodes(part, f"{place}/{index}")


def resolved(document: Document, reference: str) -> Any:
    """Return what a reference leads to; KeyError where it leads nowhere."""
    assert reference.startswith("#/"), reference
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


def unresolved(document: Document) -> list[str]:
    """Return every reference that leads nowhere."""
    wrong = []
    for place, node in nodes(document):
        if isinstance(reference := node.get("$ref"), str):
            try:
                resolved(document, reference)
            except KeyError:
                wrong.append(f"{place}: {reference}")
    return wrong


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and operation."""
    for path, of in document["paths"].items():
        for method, operation in of.items():
            yield path, method, operation


def contents(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield operation, media type and schema of every body and every answer that is no problem."""
    for _, _, operation in operations(document):
        name = operation["operationId"]
        if "requestBody" in operation:
            for kind, content in operation["requestBody"]["content"].items():
                yield f"{name} body", kind, content["schema"]
        for status, answer in operation["responses"].items():
            if status < "300":
                for kind, content in answer.get("content", {}).items():
                    yield f"{name} {status}", kind, content["schema"]


def test_it_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_reference_leads_somewhere(document: Document) -> None:
    assert sum("$ref" in node for _, node in nodes(document)) > 300
    assert unresolved(document) == []


def test_a_reference_that_leads_nowhere_is_found(document: Document) -> None:
    broken = deepcopy(document)
    del broken["components"]["schemas"]["ProblemOut"]
    assert any(wrong.endswith("ProblemOut") for wrong in unresolved(broken))
    with pytest.raises(Unresolvable):
        list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_nothing_stands_in_it_that_nothing_refers_to(document: Document) -> None:
    named = {node["$ref"] for _, node in nodes(document) if "$ref" in node}
    for kind in ("schemas", "responses"):
        assert {f"#/components/{kind}/{name}" for name in document["components"][kind]} <= named


def test_operation_ids_are_short_and_unique(document: Document) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+){0,3}", name)] == []


def test_every_operation_has_a_summary_a_description_and_a_tag_that_is_described(document: Document) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert tags == {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)


def test_every_body_and_answer_is_a_named_schema(document: Document) -> None:
    for place, kind, schema in contents(document):
        if kind == JSON:
            assert set(schema) == {"$ref"}, place
            assert schema["$ref"].startswith("#/components/schemas/"), place


def test_every_object_is_a_named_schema(document: Document) -> None:
    inlined = [
        place
        for place, node in nodes(document)
        if "properties" in node and isinstance(node["properties"], dict) and not place.endswith("/properties")
        if not re.fullmatch(r"#/components/schemas/\w+", place) and "/examples/" not in place
    ]
    assert inlined == []


def test_every_error_is_the_same_problem(document: Document) -> None:
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert set(answer) == {"$ref"}, (method, path, status)
                content = resolved(document, answer["$ref"])["content"]
                assert content == {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}


def test_every_operation_names_the_statuses_that_its_kind_may_answer_with(document: Document) -> None:
    for path, method, operation in operations(document):
        expected = {"400", "405", "408", "431", "500"}
        if path not in OPEN:
            expected |= {"401", "403", "415", "422", "503"}
            assert operation["security"], (method, path)
        if "{" in path:
            expected |= {"404"}
        if "requestBody" in operation:
            expected |= {"413", "429"}
        assert expected <= set(operation["responses"]), (method, path)
        well = {status for status in operation["responses"] if status < "300"}
        assert len(well) == 1 or well == {"200", "202"}, (method, path)  # done, or more of the same to be asked for


def test_where_to_follow_what_began_is_promised_by_the_two_answers_that_say_it(document: Document) -> None:
    found = {
        (operation["operationId"], status)
        for _, _, operation in operations(document)
        for status, answer in operation["responses"].items()
        if "Location" in answer.get("headers", {})
    }
    assert found == {("postTrain", "202"), ("postRegeneration", "201")}


def test_a_status_that_an_operation_tells_of_is_one_that_it_names(document: Document) -> None:
    told = [
        (path, method, status)
        for path, method, operation in operations(document)
        for status in re.findall(r"\b[2-5][0-9]{2}\b", operation["description"])
        if status not in operation["responses"]
    ]
    assert told == []


def test_every_path_parameter_has_a_pattern_and_nothing_in_an_address_is_null(document: Document) -> None:
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                assert parameter["schema"]["pattern"], (method, path, parameter["name"])
            assert "anyOf" not in parameter["schema"], (method, path, parameter["name"])


def sent(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of a parameter and of a body's field, with its place."""
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            yield from nodes(parameter["schema"], f"{method} {path} {parameter['name']}")
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("Out"):
            yield from nodes(schema, name)


def test_a_whole_number_that_is_sent_has_bounds_because_a_database_has(document: Document) -> None:
    unbounded = [
        place
        for place, schema in sent(document)
        if schema.get("type") == "integer" and not {"minimum", "maximum"} <= set(schema)
    ]
    assert unbounded == []


def test_fields_that_hold_a_time_say_so(document: Document) -> None:
    found = 0
    for name, schema in document["components"]["schemas"].items():
        for field, of in schema.get("properties", {}).items():
            if re.search(r"(_at|_since|_time|^now)$", field):
                kinds = [kind for kind in of.get("anyOf", [of]) if kind.get("type") != "null"]
                assert [kind.get("format") for kind in kinds] == ["date-time"], (name, field)
                found += 1
    assert found > 15


def checker(document: Document, schema: Any) -> Draft202012Validator:
    """Return what checks a value against a schema of the document."""
    registry: Registry[Any] = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    whole = {"$ref": "urn:api" + schema["$ref"]}
    return Draft202012Validator(whole, registry=registry, format_checker=FormatChecker())


def test_every_body_and_answer_has_an_example_that_its_schema_takes(document: Document) -> None:
    bare, wrong = [], []
    for place, kind, schema in contents(document):
        if kind != JSON:
            continue
        examples = resolved(document, schema["$ref"]).get("examples")
        if not examples:
            bare.append(place)
        for example in examples or ():
            wrong += [f"{place}: {error.message}" for error in checker(document, schema).iter_errors(example)]
    assert (sorted(bare), wrong) == ([], [])


ARE_IDS = ("a", "...", "..a", ".a", "Zo\u00eb 1")
ARE_NONE = (".", "..", "a/b", "a\n", "\x85", "")


@pytest.mark.parametrize("id_", [*ARE_IDS, *ARE_NONE])
def test_the_pattern_of_ids_tells_what_an_id_is(id_: str, document: Document) -> None:
    (parameter,) = (
        one
        for one in document["paths"]["/api/v1/recommendation/user/{user_id}"]["get"]["parameters"]
        if one["in"] == "path"
    )
    assert bool(re.search(parameter["schema"]["pattern"].replace("$", r"\Z"), id_)) is (id_ in ARE_IDS)
