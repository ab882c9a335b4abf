"""Makes clients from the OpenAPI document into build/clients: `make clients`. Any warning of a generator fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

from recommendation.settings import load_settings
from recommendation_api.app import create_app

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools" / "clients"
"""Where `make client-tools` installs what tests/clients/typescript/package.json names."""


def has_tools() -> bool:
    """Whether those tools are installed, wholly."""
    return (TOOLS / ".installed").exists()


def main() -> int:
    """Make the clients; the TypeScript one where its tools are installed."""
    folder = ROOT / "build" / "clients"
    document = write_document(folder)
    print(f"{python_client(document, folder / 'python')}: Python")
    if not has_tools():
        print("no TypeScript client: node and npm are not installed")
        return 0
    print(f"{typescript_schema(document, folder / 'typescript')}: TypeScript, for openapi-fetch")
    return 0


def write_document(folder: Path) -> Path:
    """Write the document."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "openapi.json"
    path.write_text(json.dumps(create_app(load_settings({})).openapi(), indent=1))
    return path


def python_client(document: Path, folder: Path) -> Path:
    """Make the package `recommendation_service_client` in a folder."""
    bin_ = Path(sys.executable).parent  # it formats with ruff, which it looks for on the path
    command = [str(bin_ / "openapi-python-client"), "generate", "--fail-on-warning", "--overwrite"]
    command += ["--path", str(document), "--output-path", str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"})
    return folder


def typescript_schema(document: Path, folder: Path) -> Path:
    """Write the types that openapi-fetch takes."""
    folder.mkdir(parents=True, exist_ok=True)
    program = TOOLS / "node_modules" / ".bin" / "openapi-typescript"
    schema = folder / "schema.ts"
    command = [str(program), str(document), "--output", str(schema), "--default-non-nullable=false"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    if "warn" in (done.stdout + done.stderr).lower():
        sys.exit(done.stdout + done.stderr)
    return schema


if __name__ == "__main__":
    sys.exit(main())
