"""What five installs render, whole: a change of the chart is a diff that its author has read (`make chart-golden`)."""

from pathlib import Path

import pytest
from variants import variant

GOLDEN = Path(__file__).parent / "golden"

WRITTEN_ELSEWHERE = ("operator/crd.yaml", "monitoring/rules.yaml", "monitoring/dashboard.yaml")
"""Files that the chart includes unchanged: repeating them here would only double their diffs."""


def own(text: str) -> str:
    """A render without the files that it includes unchanged."""
    documents = text.split("---\n# Source: ")
    return "---\n# Source: ".join(d for d in documents if not d.split("\n", 1)[0].endswith(WRITTEN_ELSEWHERE))


@pytest.mark.parametrize("name", ["defaults", "production", "everything", "nothing", "distributed"])
def test_the_render_is_the_golden_one(name: str, update_golden: bool) -> None:
    path = GOLDEN / f"{name}.yaml"
    present = own(variant(name).text)
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(present)
    assert present == path.read_text(), "read the diff, then run `make chart-golden`"
