"""Files that lie elsewhere: on a web server, and in a bucket of an S3 server, both played by one small server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import files
import pytest

from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation_jobs import exits
from recommendation_jobs.fetching import local_copy, named

EVENTS = b"user_id,game_id,event_type\nann,chess,purchased\nbob,go,played\n"


class Server(BaseHTTPRequestHandler):
    """Has one file, under any path that ends in its name; others are missing, break off, or are out of order."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        name = self.path.partition("?")[0].rsplit("/", 1)[1]
        status = {"missing.csv": 404, "secret.csv": 403, "tired.csv": 503}.get(name, 200)
        body = EVENTS if status == 200 else b""
        if status == 200 and (asked := self.headers.get("Range")):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            status, body = 206, EVENTS[int(first) : int(last or len(EVENTS)) + 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (10 if name == "half.csv" else 0)))
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_file_behind_an_address_is_counted_once_like_the_same_file_here(
    database: Database, tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert files.run_import(database, f"http://127.0.0.1:{port}/in/events.csv?signature=secret") == exits.DONE
    assert sorted(files.pairs(database)) == [("ann", "chess"), ("bob", "go")]
    said = capsys.readouterr().out
    assert "imported 2 interactions from http://127.0.0.1/in/events.csv" in said
    assert "secret" not in said
    (tmp_path / "events.csv").write_bytes(EVENTS)
    assert files.run_import(database, tmp_path / "events.csv") == exits.DONE
    assert "2 had been counted before" in capsys.readouterr().out


def test_a_file_in_a_bucket_is_read(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    address = f"s3://key:secret@bucket/in/events.csv?endpoint_override=127.0.0.1:{port}&scheme=http&region=eu"
    with local_copy(address) as path:
        assert path.read_bytes() == EVENTS
    assert not path.exists()
    assert named(address) == "s3://bucket/in/events.csv"


@pytest.mark.parametrize("name", ["missing.csv", "secret.csv"])
def test_a_file_that_is_not_there_or_not_ours_is_not_tried_again(port: int, name: str) -> None:
    with pytest.raises(InvalidInput, match=name), local_copy(f"http://127.0.0.1:{port}/{name}"):
        pass


@pytest.mark.parametrize("name", ["half.csv", "tired.csv"])
def test_a_file_that_breaks_off_is_tried_again_and_none_of_it_is_counted(port: int, name: str) -> None:
    with pytest.raises(OSError, match=name), local_copy(f"http://127.0.0.1:{port}/{name}"):
        pass


def test_a_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(OSError, match="refused"), local_copy("http://127.0.0.1:9/events.csv"):
        pass


def test_an_address_that_means_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="begins with http, https, s3, gs"), local_copy("ftp://host/events.csv"):
        pass
    with pytest.raises(InvalidInput, match=r"http://host/events\.csv"), local_copy("http://host:port/events.csv"):
        pass
