"""
The bill of materials, and the known vulnerabilities of what it lists.

`make sbom` writes build/sbom.json (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/) from constraints.txt and what
is installed, without the network. `make check-supply` then asks the index for known vulnerabilities by pip-audit.
pip-audit does not distinguish an index that knows none from one that did not answer; this script does.
"""

import argparse
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
BILL = ROOT / "build" / "sbom.json"
VULNERABLE, NOT_ASKED = 1, 2


def main() -> int:
    """Write the bill; with --audit, ask the index about it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audit", action="store_true", help="ask for known vulnerabilities too")
    options = parser.parse_args()
    bill = bill_of(pinned(CONSTRAINTS.read_text()))
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(json.dumps(bill, indent=2) + "\n")
    print(f"{BILL.relative_to(ROOT)}: {len(bill['components'])} components")
    if not options.audit:
        return 0
    code, sentence = verdict(_audit())
    print(sentence)
    return code


def pinned(text: str) -> dict[str, str]:
    """Return the version of each name in lines of `name==version`."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def bill_of(versions: dict[str, str]) -> dict[str, Any]:
    """Return a CycloneDX document; the same versions give the same one."""
    ours = "recommendation-service"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": ours, "version": version(ours)}},
        "components": [_component(name, versions[name]) for name in sorted(versions)],
    }


def _component(name: str, pin: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{pin}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": pin,
        "purl": purl,
    }
    said = licence(name)
    return {**component, "licenses": [said]} if said else component


def licence(name: str) -> dict[str, Any] | None:
    """The licence that an installed package declares; None where it is not installed or declares none in short form."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return {"expression": expression}
    classifiers = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License")]
    text = classifiers[0] if classifiers else said.get("License", "")
    return {"license": {"name": text}} if 0 < len(text) < 80 else None


def _audit() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(f"pip-audit said nothing:\n{done.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return found


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, str]:
    """Return an exit code and a sentence for what pip-audit found of each dependency."""
    vulnerable = [
        f"{one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}"
        for one in dependencies
        if one.get("vulns")
    ]
    skipped = [one for one in dependencies if "skip_reason" in one]
    if vulnerable:
        return VULNERABLE, "known vulnerabilities:\n" + "\n".join(vulnerable)
    if skipped or not dependencies:
        reason = skipped[0]["skip_reason"] if skipped else "there is nothing to ask about"
        return NOT_ASKED, f"{len(skipped)} of {len(dependencies)} could not be asked about; the first: {reason}"
    return 0, f"{len(dependencies)} asked about, no known vulnerabilities"


if __name__ == "__main__":
    sys.exit(main())
