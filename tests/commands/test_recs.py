"""`recs`: one command that hands on to the API, the jobs and the migrations, and says which extra is missing."""

import http.client
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from processes import free_port

from recommendation.extras import extra_needed
from recommendation_cli import completion
from recommendation_cli.env_file import EnvFileUnreadable, read_env_file
from recommendation_cli.main import COMMANDS, main

BARE = {name: value for name, value in os.environ.items() if not name.startswith(("RECOMMENDATION_", "CF_"))}


def _recs(
    *arguments: str, without: tuple[str, ...] = (), cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `recs` in a process of its own, in which some packages are not installed."""
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {without!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from recommendation_cli.main import main\n"
        "sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=BARE | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


ALL_EXTRAS = ("numpy", "sqlalchemy", "orjson", "tqdm", "pyarrow", "uvicorn", "fastapi", "alembic", "shtab")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["train"], "jobs"),
        (["import", "events.csv"], "jobs"),
        (["simulate", "--out", "events.csv"], "jobs"),
        (["completion", "bash"], "jobs"),
        (["serve"], "service"),
        (["migrate"], "service"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else given,
)
def test_without_extras_it_says_which_one_is_missing(command: list[str], extra: str, tmp_path: Path) -> None:
    done = _recs(*command, without=ALL_EXTRAS, cwd=tmp_path)
    assert done.returncode == 42
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"recs {command[0]} needs the extra '{extra}' (")
    assert line.endswith(f"python -m pip install 'recommendation-service[{extra}]'")


def test_without_extras_version_and_help_work() -> None:
    assert _recs("--version", without=ALL_EXTRAS).stdout == "recs 0.1.0\n"
    said = _recs("--help", without=ALL_EXTRAS).stdout
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert "exit codes:" in said and "examples:" in said


def test_the_jobs_as_a_module_say_it_too() -> None:
    code = "import sys; sys.modules['tqdm'] = None; import recommendation_jobs.__main__"
    done = subprocess.run([sys.executable, "-c", code], env=BARE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 42
    assert "needs the extra 'jobs' (tqdm is not installed)" in done.stderr


def test_a_fault_of_our_own_code_is_not_called_a_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra_needed("jobs", "recs"):
        import_module("recommendation_jobs.nothing")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert said.startswith(f"usage: recs {command} ")
    assert "recs " + command in said.partition("examples:")[2]


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "--rnu", "x"]], ids=["nothing", "command", "option"])
def test_a_wrong_command_line_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: recs" in capsys.readouterr().err


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion_knows_commands_and_their_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert "regenerate" in script and "game-column" in script and "prove-writable" in script


def test_a_store_is_made_filled_and_trained_from_a_file_of_settings(tmp_path: Path) -> None:
    """The way of a newcomer, in a folder that holds nothing of the checkout."""
    (tmp_path / "shop.env").write_text(
        f"# a shop\nexport RECOMMENDATION_DATABASE_URL='sqlite:///{tmp_path / 'shop.db'}'\n"
        f"RECOMMENDATION_MODEL_PATH={tmp_path / 'models' / 'cf.pkl'}\nRECOMMENDATION_POPULAR_DAY=7\n"
    )
    (tmp_path / "plays.csv").write_text(
        "user,game,hours\n" + "".join(f"u{u},g{g},{1 + g}\n" for u in range(12) for g in range(12) if (u + g) % 2)
    )
    settings = ("--env-file", "shop.env")
    done = _recs(*settings, "migrate", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the database has no schema: now ready\n"), done.stderr
    done = _recs("import", "--event-type", "played", "plays.csv", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "imported 72 interactions from plays.csv" in done.stdout
    assert done.stderr.count("did you mean RECOMMENDATION_POPULAR_DAYS?") == 1
    done = _recs("train", *settings, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "training succeeded: v1"), done.stderr


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "shop.env").write_text("RECOMMENDATION_DATABASE_URL=nonsense\n")
    done = _recs("prune", "--env-file", "shop.env", cwd=tmp_path, RECOMMENDATION_DATABASE_URL="sqlite:///x.db")
    assert (done.returncode, "has no schema" in done.stderr) == (1, True), done.stderr
    done = _recs("prune", "--env-file", "shop.env", cwd=tmp_path)
    assert (done.returncode, "RECOMMENDATION_DATABASE_URL" in done.stderr) == (42, True), done.stderr


def test_a_file_of_settings_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("\ufeffA=1\n\n # note\nexport B = \"two words\"\nC=it's\nD=\nE='\n", encoding="utf-8")
    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "it's", "D": "", "E": "'"}
    file.write_text("A=1\nsecret words\n")
    with pytest.raises(EnvFileUnreadable, match=r"line 2 should read NAME=value$"):
        read_env_file(file)
    with pytest.raises(EnvFileUnreadable, match="cannot be read"):
        read_env_file(tmp_path / "nowhere")


def test_serve_answers_and_bounds_the_head_of_a_request(tmp_path: Path) -> None:
    """Uvicorn's own protocol takes a head of any size: ours answers 431."""
    port = free_port()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    assert _recs("migrate", cwd=tmp_path, RECOMMENDATION_DATABASE_URL=url).returncode == 0
    command = [sys.executable, "-m", "recommendation_cli", "serve", "--port", str(port)]
    more = {"RECOMMENDATION_DATABASE_URL": url, "RECOMMENDATION_DRAIN_SECONDS": "0", "CF_COMPONENTS": "4"}
    server = subprocess.Popen(command, cwd=tmp_path, env=BARE | more, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if "running on" in line:
                break
        assert _status(port) == 200, said
        assert _status(port, "x" * 100_000) == 431
        server.terminate()
        said += server.stderr
    finally:
        server.kill()
        server.communicate()
    assert sum("did you mean CF_N_COMPONENTS?" in line for line in said) == 1


def _status(port: int, header: str = "") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/healthz", headers={"X-Long": header})
        return connection.getresponse().status
    finally:
        connection.close()


def test_serve_ends_with_one_line_where_a_setting_is_wrong(tmp_path: Path) -> None:
    done = _recs("serve", "--port", "0", cwd=tmp_path, CF_N_COMPONENTS="nonsense")
    assert done.returncode == 42
    assert "CF_N_COMPONENTS" in done.stderr and "Traceback" not in done.stderr
