"""Clients made from the OpenAPI document are strictly typed, and the documented programs run with them."""

import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from documented import KEY, ROOT, block

PAGE = "docs/clients.md"
TYPESCRIPT = Path(__file__).resolve().parent / "typescript"


def loaded() -> Any:
    """The script as a module; the folder of scripts is not on the path."""
    spec = spec_from_file_location("clients", ROOT / "scripts" / "clients.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clients = loaded()


def done(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program to its good end, and return what it printed."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def told(printed: str) -> None:
    """Check what both programs print: counts, a list with the pin, a drop, a typed problem."""
    lines = printed.splitlines()
    assert lines[0].startswith(("1 ", "2 "))
    assert "unknown_event_type" in lines[0]
    assert lines[1] == "1 g-0009 Staff pick"
    assert lines[-2].startswith("standing ")
    assert lines[-1].startswith("422 invalid_parameter query.limit")


def test_the_python_client_is_strictly_typed_and_the_documented_program_runs(service: Any, tmp_path: Path) -> None:
    folder = clients.python_client(clients.write_document(tmp_path), tmp_path / "python")
    (folder / "program.py").write_text(block(PAGE, "python"))
    package = "recommendation_service_client"
    done(sys.executable, "-m", "mypy", "--strict", "--config-file=", "program.py", package, cwd=folder)
    told(done(sys.executable, "program.py", f"http://127.0.0.1:{service.port}", KEY, cwd=folder))


@pytest.mark.skipif(not clients.has_tools(), reason="its tools are missing: make client-tools")
def test_the_typescript_client_is_strictly_typed_and_the_documented_program_runs(service: Any, tmp_path: Path) -> None:
    folder = tmp_path / "typescript"
    clients.typescript_schema(clients.write_document(tmp_path), folder)
    (folder / "program.ts").write_text(block(PAGE, "typescript"))
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(TYPESCRIPT / name, folder)
    (folder / "node_modules").symlink_to(clients.TOOLS / "node_modules")
    done(folder / "node_modules" / ".bin" / "tsc", cwd=folder)
    told(done("node", "made/program.js", f"http://127.0.0.1:{service.port}", KEY, cwd=folder))
