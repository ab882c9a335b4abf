"""`make demo`: a former demo goes only when the new file was read, and what a file needs can be said."""

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    found = importlib.util.spec_from_file_location("demo_script", ROOT / "scripts" / "demo.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "demo_script", module)
    found.loader.exec_module(module)
    yield module


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The folder of a former demo."""
    folder = tmp_path / ".demo"
    folder.mkdir()
    (folder / "app.db").write_text("a former store")
    return folder


def arguments(demo: ModuleType, monkeypatch: pytest.MonkeyPatch, *given: str) -> object:
    monkeypatch.setattr(sys, "argv", ["demo.py", *given])
    return demo._arguments()


@pytest.mark.parametrize("text", [None, "colour,shape\nred,round\n"], ids=["missing", "unreadable"])
def test_a_file_that_cannot_be_used_takes_nothing_away(
    demo: ModuleType, former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    file = tmp_path / "library.csv"
    if text is not None:
        file.write_text(text)
    options = arguments(demo, monkeypatch, "--data", str(file), "--event-type", "played", "--port", "0")
    with pytest.raises(SystemExit) as ended:
        demo._look_first(options)
        demo._prepared(former, options)
    assert str(ended.value) != "0"
    assert (former / "app.db").read_text() == "a former store"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".demo")] == [".demo"]


def test_options_of_the_import_reach_it_and_the_former_demo_makes_room(
    demo: ModuleType, former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "library.csv"
    file.write_text("who;what\n" + "".join(f"u{u};g{g}\n" for u in range(12) for g in range(12) if (u + g) % 2))
    own = ("--", "--user-column", "who", "--game-column", "what")
    options = arguments(demo, monkeypatch, "--data", str(file), "--event-type", "played", *own)
    made = demo._prepared(former, options)
    assert made.folder == former
    assert (former / "app.db").read_bytes().startswith(b"SQLite format 3")
    said = capsys.readouterr().out
    assert "imported 72 interactions" in said and "model v1" in said
    assert f"RECOMMENDATION_DATABASE_URL=sqlite:///{former / 'app.db'}\n" in (former / "settings.env").read_text()
    assert len(demo._some_users(made)) == 12


def test_one_demo_at_a_time_has_the_folder(demo: ModuleType, former: Path) -> None:
    with (
        demo._alone(former),
        pytest.raises(SystemExit, match=r"another demo is at work in \.demo/"),
        demo._alone(former),
    ):
        pass
    with demo._alone(former):
        pass


def test_options_of_an_import_without_a_file_are_refused(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(demo, monkeypatch, "--", "--game-column", "appid")
    assert ended.value.code == 2


def test_the_steps_keep_what_they_compile(demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation compiles nothing; where the shell forbade it too, each step took twice its time."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "x")
    environment = demo.Demo(tmp_path).environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["KEPT"] == "x"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("jobs", ["-j1", "-j4"])
@pytest.mark.parametrize(
    ("target", "wrong", "told"),
    [
        ("demo", {"PORT": "TAKEN"}, "port TAKEN is taken: give another one with PORT="),
        ("demo", {"DATA": "nope.csv", "PORT": "0"}, "nope.csv: there is no such file"),
        ("smoke", {"DATA": "nope.csv"}, "nope.csv: there is no such file"),
        ("demo", {"ARGS": "--game-column x", "PORT": "0"}, "give DATA=FILE too"),
    ],
)
def test_what_keeps_a_demo_from_coming_up_is_told_before_anything_is_installed(
    tmp_path: Path, taken: int, target: str, wrong: dict[str, str], told: str, jobs: str
) -> None:
    """With a Python that has no package, as on a machine that has only cloned."""
    for part in ("Makefile", "scripts/demo.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    given = [f"{name}={value.replace('TAKEN', str(taken))}" for name, value in wrong.items()]
    bare = f"PYTHON={sys.executable} -I -S"
    done = subprocess.run(
        ["make", jobs, target, bare, *given], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert told.replace("TAKEN", str(taken)) in done.stderr
    assert "installing" not in done.stdout
    assert not (tmp_path / ".venv").exists()
