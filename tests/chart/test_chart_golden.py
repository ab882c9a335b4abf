"""What three installs render, whole: a change of the chart is a diff that somebody read (`make chart-golden`)."""

from pathlib import Path

import pytest
from variants import variant

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["defaults", "production", "everything", "nothing"])
def test_the_render_is_the_golden_one(name: str, update_golden: bool) -> None:
    path = GOLDEN / f"{name}.yaml"
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(variant(name).text)
    assert variant(name).text == path.read_text(), "read the diff, then run `make chart-golden`"
