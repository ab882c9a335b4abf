"""Prints objects as the API server does for kubectl: a table with the CRD's columns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
_CONDITION = re.compile(r'\.status\.conditions\[\?\(@\.type=="(\w+)"\)\]\.(\w+)')


def table(crd: Json, objects: list[Json], version: str) -> Json:
    columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    named = {"name": "Name", "type": "string", "format": "name", "priority": 0}
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            named,
            *({"name": c["name"], "type": c["type"], "priority": c.get("priority", 0)} for c in columns),
        ],
        "rows": [
            {
                "cells": [obj["metadata"]["name"], *(_cell(obj, column) for column in columns)],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": obj["metadata"],
                },
            }
            for obj in objects
        ],
    }


def _cell(obj: Json, column: Json) -> Any:
    if match := _CONDITION.fullmatch(column["jsonPath"]):
        conditions = (obj.get("status") or {}).get("conditions", [])
        return next((c[match[2]] for c in conditions if c["type"] == match[1]), "")
    found: Any = obj
    for part in column["jsonPath"].strip(".").split("."):
        found = (found or {}).get(part)
    if column["type"] == "date" and found:
        return f"{int((datetime.now(UTC) - datetime.fromisoformat(found)).total_seconds())}s"
    return found
