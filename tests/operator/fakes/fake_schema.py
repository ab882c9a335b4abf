"""Enforces a CRD as an API server does: pruning, defaults, bounds, map lists, CEL rules. And the rules of Jobs."""

from __future__ import annotations

import copy
import re
from typing import Any

import celpy
from fake_messages import BLOCKING, NOT_CHECKED, Cause, causes, duplicate, path_of
from fake_store import ApiError

Json = dict[str, Any]
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MUTABLE_JOB_FIELDS = {"suspend", "parallelism", "activeDeadlineSeconds"}


class CustomResource:
    """One served version of a CRD."""

    def __init__(self, crd: Json) -> None:
        self.schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self._kind, self._group = crd["spec"]["names"]["kind"], crd["spec"]["group"]
        self._programs: dict[str, Any] = {}
        self._cel = celpy.Environment()

    def admit(self, new: Json, old: Json | None) -> None:
        """Fill in and prune an object as it would be stored; raises ApiError 422 where it is refused."""
        new |= {field: value for field, value in self._shape(new, self.schema).items() if field in ("spec", "status")}
        for field in ("spec", "status"):
            if new.get(field, "") is None:
                del new[field]
        found = causes(self.schema, new)
        for field in ("spec", "status"):
            found += self._map_lists(new.get(field), self.schema["properties"][field], [field])
        if any(cause.reason in BLOCKING for cause in found):
            found.append(Cause("<nil>", "FieldValueInvalid", f"Invalid value: null: {NOT_CHECKED}"))
        else:
            rules = self.schema["properties"]["spec"]
            found += self._rules(new.get("spec"), (old or {}).get("spec"), rules, ["spec"])
        if found:
            raise self._refused(new["metadata"].get("name", ""), found)

    def _refused(self, name: str, found: list[Cause]) -> ApiError:
        words = str(found[0]) if len(found) == 1 else f"[{', '.join(map(str, found))}]"
        details = {"name": name, "group": self._group, "kind": self._kind}
        told = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in found]
        message = f'{self._kind}.{self._group} "{name}" is invalid: {words}'
        return ApiError(422, "Invalid", message, details | {"causes": told})

    def _shape(self, value: Any, schema: Json) -> Any:
        """Drop unknown fields and nulls, fill in defaults, and write whole numbers without a point, as Go does."""
        if isinstance(value, float) and schema.get("type") == "integer" and value.is_integer():
            return int(value)
        if schema.get("type") == "array" and isinstance(value, list):
            return [self._shape(item, schema["items"]) for item in value]
        if schema.get("type") != "object" or not isinstance(value, dict):
            return value
        known = schema.get("properties", {})
        given = {name: item for name, item in value.items() if item is not None}
        filled = {name: copy.deepcopy(sub["default"]) for name, sub in known.items() if "default" in sub} | given
        return {name: self._shape(filled[name], known[name]) for name in filled if name in known}

    def _map_lists(self, value: Any, schema: Json, path: list[str | int]) -> list[Cause]:
        found: list[Cause] = []
        if isinstance(value, dict):
            for name, sub in schema.get("properties", {}).items():
                if name in value:
                    found += self._map_lists(value[name], sub, [*path, name])
        elif isinstance(value, list):
            found += self._duplicates(value, schema, path)
            for place, item in enumerate(value):
                found += self._map_lists(item, schema["items"], [*path, place])
        return found

    def _duplicates(self, items: list[Any], schema: Json, path: list[str | int]) -> list[Cause]:
        keys, kind = schema.get("x-kubernetes-list-map-keys"), schema.get("x-kubernetes-list-type", "atomic")
        seen: list[Any] = []
        found = []
        for place, item in enumerate(items):
            mark = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
            if kind in ("map", "set") and mark in seen:
                found.append(duplicate(path_of([*path, place]), mark))
            seen.append(mark)
        return found

    def _rules(self, new: Any, old: Any, schema: Json, path: list[str | int]) -> list[Cause]:
        if new is None:
            return []
        found: list[Cause] = []
        for validation in schema.get("x-kubernetes-validations", []):
            rule = validation["rule"]
            if ("oldSelf" not in rule or old is not None) and not self._holds(rule, new, old):
                words = f'Invalid value: "object": {validation["message"]}'
                found.append(Cause(path_of(path), "FieldValueInvalid", words))
        for name, sub in schema.get("properties", {}).items():
            if isinstance(new, dict) and name in new:
                found += self._rules(new[name], old.get(name) if isinstance(old, dict) else None, sub, [*path, name])
        return found

    def _holds(self, rule: str, new: Any, old: Any) -> bool:
        if rule not in self._programs:
            self._programs[rule] = self._cel.program(self._cel.compile(rule))
        values = {"self": celpy.json_to_cel(new)} | ({"oldSelf": celpy.json_to_cel(old)} if old is not None else {})
        return bool(self._programs[rule].evaluate(values))


def admit_job(new: Json, old: Json | None) -> None:
    """The rules of batch/v1 that this operator could break."""
    spec, name = new["spec"], new["metadata"]["name"]
    problems = []
    if not DNS_LABEL.fullmatch(name):
        problems.append("metadata.name: must be a DNS label")
    if any(len(value) > 63 for value in new["metadata"].get("labels", {}).values()):
        problems.append("metadata.labels: must be no more than 63 characters")
    if "podFailurePolicy" in spec:
        problems += _failure_policy(spec)
    if "backoffLimitPerIndex" in spec and spec.get("completionMode") != "Indexed":
        problems.append("spec.backoffLimitPerIndex: requires indexed completion mode")
    # A pod's host name is the Job's name and the index; it must be a DNS label.
    if spec.get("completionMode") == "Indexed" and len(f"{name}-{spec['completions'] - 1}") > 63:
        problems.append("metadata.name: will not be able to create pod with invalid DNS label")
    if old is not None and _frozen(old["spec"]) != _frozen(spec):
        problems.append("spec: field is immutable")
    if problems:
        raise ApiError(422, "Invalid", "; ".join(problems))


def _failure_policy(spec: Json) -> list[str]:
    problems = []
    if spec["template"]["spec"].get("restartPolicy") != "Never":
        problems.append("spec.podFailurePolicy: only for restartPolicy Never")
    if spec.get("podReplacementPolicy", "Failed") != "Failed":
        problems.append("spec.podReplacementPolicy: must be Failed with a podFailurePolicy")
    for rule in spec["podFailurePolicy"]["rules"]:
        if rule["action"] == "FailIndex" and "backoffLimitPerIndex" not in spec:
            problems.append("spec.podFailurePolicy: FailIndex requires backoffLimitPerIndex")
        if any("status" not in condition for condition in rule.get("onPodConditions", [])):
            problems.append("spec.podFailurePolicy.rules.onPodConditions.status: Required value")
    return problems


def _frozen(spec: Json) -> Json:
    return {key: value for key, value in spec.items() if key not in MUTABLE_JOB_FIELDS}
