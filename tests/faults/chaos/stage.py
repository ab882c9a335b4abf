"""The service as one or two API processes over a database, which are there to be killed."""

import http.client
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from ledger import Ledger
from processes import PREFIX, STARTED, Doomed, environment, free_port

LONGEST_SECONDS = 15.0
"""Every request has to end within this."""

CLIENT_SECONDS = 40.0
ANSWERED = frozenset({200, 201, 202, 204, 304, 404, 409, 422})
"""What says that the service did it, or never will; after anything else a caller sends it again."""

HOUSEHOLD = 30
"""Users that are there before the first round, so that there is a model."""

SHELF = [f"g{number:02}" for number in range(24)]
"""Games that are always on sale."""


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    body: Any = None
    key: str | None = None
    etag: str | None = None

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where nothing did."""

    status: int
    body: Any
    headers: dict[str, str]
    place: int

    @property
    def settled(self) -> bool:
        """Whether it need not be sent again."""
        return self.status in ANSWERED


class Replica:
    """One API process, forked from a server that has everything loaded, so that a start takes little of a round."""

    def __init__(self, url: str, folder: Path) -> None:
        self.port = free_port()
        variables = environment(url, folder, RECOMMENDATION_TRAINING="queued", RECOMMENDATION_DRAIN_SECONDS="0")
        self._arguments = ({k: v for k, v in variables.items() if k not in os.environ}, str(folder), self.port)
        self.log = folder / f"replica-{self.port}.log"
        self.ready_since = 0.0
        self.ready = threading.Event()
        self.start()

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        self.process = multiprocessing.get_context("forkserver").Process(target=_serve, args=self._arguments)
        self.process.start()
        STARTED.append(self)
        deadline = time.monotonic() + 90
        while send_to(self.port, Call("GET", "/readyz"), prefix="")[0] != 200:
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            assert self.process.exitcode is None, self.log.read_text()[-3000:]
            time.sleep(0.02)
        self.ready_since = time.monotonic()
        self.ready.set()

    def kill(self) -> None:
        """Kill it as a kernel out of memory does."""
        self.ready.clear()
        self.process.kill()
        self.process.join()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(int(self.process.pid or 0), number)

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self.process.exitcode

    def wait(self, seconds: float) -> None:
        """Wait until it is over."""
        self.process.join(seconds)


def _serve(variables: dict[str, str], folder: str, port: int) -> NoReturn:
    import uvicorn

    os.environ.update(variables)
    os.chdir(folder)
    log = os.open(f"replica-{port}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that is pressed is for the test
    os.environ["UVICORN_HTTP"] = "recommendation_api.http.connections:Connection"
    sys.exit(uvicorn.main(["recommendation_api.main:app", "--port", str(port)]))


def send_to(port: int, call: Call, prefix: str = PREFIX) -> tuple[int, Any, dict[str, str]]:
    """Send a request over a connection of its own; status 0 where nothing came back, -1 after too long a time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_SECONDS)
    headers = {"Content-Type": "application/json"}
    headers |= {"Idempotency-Key": call.key} if call.key else {}
    headers |= {"If-None-Match": call.etag} if call.etag else {}
    try:
        body = None if call.body is None else json.dumps(call.body)
        connection.request(call.method, prefix + call.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, _decoded(content, found), found
    except TimeoutError:
        return -1, None, {}
    except (OSError, http.client.HTTPException):  # not there, or killed while it answered
        return 0, None, {}
    finally:
        connection.close()


def _decoded(content: bytes, headers: dict[str, str]) -> Any:
    return json.loads(content) if content and "json" in headers.get("content-type", "") else content.decode() or None


class Stage:
    """The processes of one run, and the way to each of them."""

    def __init__(self, url: str, folder: Path, replicas: int, ledger: Ledger) -> None:
        self.url, self.folder, self.ledger = url, folder, ledger
        self.replicas = [Replica(url, folder) for _ in range(replicas)]
        self.frozen_seconds = 0.0
        """How long API processes were stopped in this round: their callers wait for as much longer."""
        self.calm_since = time.monotonic()
        """When the last trouble was over."""
        self._furnish()

    def send(self, call: Call, place: int) -> Answer:
        """Send a request to one of the replicas, and judge what may be said of any answer."""
        began = time.monotonic()
        status, body, headers = send_to(self.replicas[place].port, call)
        seconds = time.monotonic() - began
        self._judge(call, status, body, seconds)
        if status in (429, 503) and "retry-after" not in headers:
            self.ledger.wrong(
                "refused or odd answer", f"{call.method} {call.path}: {status} without Retry-After: {body}"
            )
        return Answer(status, body, headers, place)

    def _judge(self, call: Call, status: int, body: Any, seconds: float) -> None:
        self.ledger.count("calls: writes" if call.is_write else "calls: reads")
        what = f"{call.method} {call.path.split('?')[0]}: {status} after {seconds:.1f} s: {str(body)[:300]}"
        if status in ANSWERED:
            self.ledger.count("acknowledged writes" if call.is_write else "answered reads")
        elif status in (503, 429):
            self.ledger.count(f"answers {status}")
        else:
            self.ledger.count("without an answer" if status <= 0 else "other answers")
        if status >= 500 and status != 503:
            self.ledger.wrong("5xx other than 503", what)
        if seconds > LONGEST_SECONDS + self.frozen_seconds + 0.5:
            self.ledger.wrong("hang over 15 s", what)

    def ready_place(self, chance: Random) -> int:
        """Return one of the replicas that are not known to be gone; where all are, wait a while for one."""
        places = range(len(self.replicas))
        if not any(replica.ready.is_set() for replica in self.replicas):
            self.replicas[0].ready.wait(3)
        return chance.choice([place for place in places if self.replicas[place].ready.is_set()] or list(places))

    def insist(self, call: Call, places: list[int], seconds: float) -> Answer | None:
        """Send a request again and again until it is answered; None where it never is."""
        deadline, turn = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            answer = self.send(call, places[turn % len(places)])
            if answer.settled:
                return answer
            turn += 1
            time.sleep(0.05)
        return None

    def job(self, *arguments: str) -> Doomed:
        """Start a batch process."""
        return Doomed(self.url, self.folder, *arguments)

    def close(self) -> None:
        """End every process."""
        for replica in self.replicas:
            with suppress(ProcessLookupError):
                replica.signal(signal.SIGCONT)
            replica.kill()

    def _furnish(self) -> None:
        rows = [
            {"user_id": f"house{user:02}", "game_id": game, "event_type": "played"}
            for user in range(HOUSEHOLD)
            for number, game in enumerate(SHELF)
            if (user + number) % 3 == 0
        ]
        answer = self.send(Call("POST", "/interactions", rows), 0)
        assert answer.status == 200, answer
        assert self.job("command", "never", "0", "train").wait(180) == 0
