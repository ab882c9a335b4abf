"""Enforces a CRD as an API server does: pruning, defaults, bounds, map lists, CEL rules. And the rules of Jobs."""

from __future__ import annotations

import copy
import re
from typing import Any

import celpy
import jsonschema
import re2
from fake_store import ApiError

Json = dict[str, Any]
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MUTABLE_JOB_FIELDS = {"suspend", "parallelism", "activeDeadlineSeconds"}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Any:
    """Patterns are Go's, which knows Unicode classes; Python's `re` does not."""
    if isinstance(instance, str) and not re2.search(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


class CustomResource:
    """One served version of a CRD."""

    def __init__(self, crd: Json) -> None:
        self.schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self._programs: dict[str, Any] = {}
        self._cel = celpy.Environment()

    def admit(self, new: Json, old: Json | None) -> None:
        for field in ("spec", "status"):
            if field in new:
                new[field] = self._shape(new[field], self.schema["properties"][field])
        spec = self.schema["properties"]
        errors = [f"{e.json_path}: {e.message}" for e in _Validator(self.schema).iter_errors(new)]
        errors += self._map_lists(new.get("spec"), spec["spec"]) + self._map_lists(new.get("status"), spec["status"])
        if not errors:  # a server skips rules on an object that is invalid anyway
            errors = self._rules(new.get("spec"), (old or {}).get("spec"), spec["spec"])
        if errors:
            raise ApiError(422, "Invalid", "; ".join(errors))

    def _shape(self, value: Any, schema: Json) -> Any:
        """Fill in defaults, drop unknown fields."""
        if schema.get("type") == "array" and isinstance(value, list):
            return [self._shape(item, schema["items"]) for item in value]
        if schema.get("type") != "object" or not isinstance(value, dict):
            return value
        known = schema.get("properties", {})
        filled = {name: copy.deepcopy(sub["default"]) for name, sub in known.items() if "default" in sub} | value
        return {name: self._shape(filled[name], known[name]) for name in filled if name in known}

    def _map_lists(self, value: Any, schema: Json) -> list[str]:
        found: list[str] = []
        if isinstance(value, dict):
            for name, sub in schema.get("properties", {}).items():
                if name in value:
                    found += self._map_lists(value[name], sub)
        elif isinstance(value, list):
            keys = schema.get("x-kubernetes-list-map-keys")
            kind = schema.get("x-kubernetes-list-type")
            marks = [tuple(item.get(k) for k in keys) if keys else item for item in value] if kind != "atomic" else []
            if kind in ("map", "set") and len(set(marks)) < len(marks):
                found.append("Duplicate value")
            for item in value:
                found += self._map_lists(item, schema["items"])
        return found

    def _rules(self, new: Any, old: Any, schema: Json) -> list[str]:
        if new is None:
            return []
        found = []
        for validation in schema.get("x-kubernetes-validations", []):
            rule = validation["rule"]
            if ("oldSelf" not in rule or old is not None) and not self._holds(rule, new, old):
                found.append(validation["message"])
        for name, sub in schema.get("properties", {}).items():
            if isinstance(new, dict) and name in new:
                found += self._rules(new[name], old.get(name) if isinstance(old, dict) else None, sub)
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
