"""What Checkov reads: `python tests/chart/checkov_input.py FOLDER` renders two variants into it with the real Helm."""

import sys
from pathlib import Path

import yaml
from variants import variant


def write(folder: Path) -> None:
    """One file a variant, and the operator's Job, which a ConfigMap would hide."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("defaults", "production"):
        release = variant(name)
        job = {**release.job_template(), "metadata": {"name": "made-by-the-operator"}}
        (folder / f"{name}.yaml").write_text(f"{release.text}\n---\n{yaml.safe_dump(job)}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
