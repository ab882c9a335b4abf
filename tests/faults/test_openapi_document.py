"""What the OpenAPI document says holds: no 5xx, and every answer matches its schema (schemathesis)."""

import os
import traceback
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from processes import Api
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLS = int(os.environ.get("RECOMMENDATION_FUZZ_CALLS", "0"))
"""So many calls in all, where it is given."""

EXAMPLES = 30
"""Cases for each of some thirty operations, as many valid as invalid ones."""

LONGEST_QUERY = 4_000
"""Characters, of up to twelve bytes in an address; a head of more than 64 KiB is refused before it is all sent."""


@pytest.mark.faults
def test_every_answer_to_thousands_of_requests_is_as_the_document_says(sqlite_url: str, tmp_path: Path) -> None:
    api = Api(sqlite_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    api.call("POST", "/interactions", {"user_id": "ann", "game_id": "g1", "event_type": "played"})
    document = schemathesis.openapi.from_url(f"http://127.0.0.1:{api.port}/openapi.json")
    tried, wrong = [0], {}

    def try_operation(operation: Any, mode: GenerationMode, examples: int) -> None:
        @settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
            database=None,
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def every_answer_conforms(case: Any) -> None:
            assume(len(str(case.query)) < LONGEST_QUERY)
            if str(case.query.get("wait")).isdecimal():
                case.query["wait"] = 0  # a call may take ten seconds, and may ask to wait for more
            tried[0] += 1
            case.call_and_validate(checks=CHECKS)

        every_answer_conforms()

    operations = [found.ok() for found in document.get_all_operations()]
    examples = max(EXAMPLES, CALLS // (2 * len(operations)))
    while tried[0] <= max(1000, CALLS) and not wrong:  # an operation without parameters has few cases
        for operation in operations:
            try:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    try_operation(operation, mode, examples)
            except Unsatisfiable:
                continue  # this operation has no invalid case
            except (Exception, BaseExceptionGroup) as failure:  # gathered, so that one fault does not hide the others
                wrong[operation.label] = "".join(traceback.format_exception(failure))[-1500:]
    print(
        f"\n  {tried[0]:>9,}  calls made from the OpenAPI document, answered as it says but for {len(wrong)} operations"
    )
    api.kill()
    assert wrong == {}, "\n\n".join(f"{operation}\n{told}" for operation, told in wrong.items())
    assert tried[0] > 1000
