"""The bill of materials names all that is pinned, NOTICE what images hold; a check that did not ask is no pass."""

import hashlib
import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "supply.py"


def loaded(name: str) -> Any:
    """A script as a module; the folder of scripts is not on the path."""
    spec = spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


supply = loaded("supply")
CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
BAD = {"name": "old", "version": "0.1", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
SKIPPED = {"name": "numpy", "skip_reason": "not found"}


def test_the_bill_names_every_pinned_version_once_and_is_the_same_each_time() -> None:
    versions = supply.pinned((ROOT / "constraints.txt").read_text())
    bill = supply.bill_of(versions)
    assert {part["name"]: part["version"] for part in bill["components"]} == versions
    assert len(bill["components"]) == len(versions) > 50
    assert supply.bill_of(dict(reversed(versions.items()))) == bill


def test_the_licence_is_the_published_text_unchanged() -> None:
    """Of https://www.apache.org/licenses/LICENSE-2.0.txt."""
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="what packages need depends on Python, and images have 3.11"
)
def test_the_notice_names_what_images_hold_with_a_licence_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    notice = loaded("notice")
    page = (ROOT / "NOTICE").read_text()
    assert page == notice.page(), "run `make notice`"
    assert len(re.findall(r"^[a-z0-9-]+ [0-9][^:]*: \S.* \(.+\)$", page, re.MULTILINE)) > 40


def test_the_command_writes_the_bill_without_the_network() -> None:
    offline = {"PATH": "/usr/bin:/bin", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, SCRIPT], env=offline, check=True, capture_output=True)
    bill = json.loads((ROOT / "build" / "sbom.json").read_text())
    named = {part["name"]: part for part in bill["components"]}
    assert named["numpy"]["purl"].startswith("pkg:pypi/numpy@")
    assert named["numpy"]["licenses"]


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([CLEAN], 0, "1 asked about"),
        ([CLEAN, BAD], supply.VULNERABLE, "old 0.1: PYSEC-1, PYSEC-2"),
        ([CLEAN, SKIPPED], supply.NOT_ASKED, "1 of 2 could not be asked about; the first: not found"),
        ([BAD, SKIPPED], supply.VULNERABLE, "old 0.1"),
        ([], supply.NOT_ASKED, "nothing to ask about"),
    ],
)
def test_only_a_check_that_asked_about_every_package_passes(found: list[object], code: int, said: str) -> None:
    ended, sentence = supply.verdict(found)
    assert ended == code
    assert said in sentence
