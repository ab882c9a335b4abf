"""The transcript in the documentation is what kubectl shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from told_by_kubectl import find_kubectl, in_document, told


def test_the_documented_story_is_the_one_that_kubectl_tells(tmp_path: Path) -> None:
    kubectl = find_kubectl()
    if kubectl is None:
        pytest.skip("no kubectl: put one on the PATH or name it in KUBECTL")
    assert in_document() == told(kubectl, tmp_path)
