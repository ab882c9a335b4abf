"""Replicas are restarted in turn under load, as a rollout does: no request fails, and nothing is lost or doubled."""

import http.client
import signal
import threading
from pathlib import Path

import pytest
from balancer import Balancer, Client
from processes import PREFIX, ROUNDS, Api
from shop import checkerboard, pairs, trained

from recommendation.database.database import Database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

READERS, WRITERS = 4, 2
ENOUGH = 200
"""Requests that are answered between two restarts, at least."""


class Traffic:
    """Readers and writers in threads, and the results of their requests."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._over = threading.Event()
        self.answered = [0] * (READERS + WRITERS)
        self.failed: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(len(self.answered))
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Finish requests in flight and send no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, number: int) -> None:
        client = Client(self._balancer)
        while not self._over.is_set():
            try:
                status = self._send(client, number)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failed.append(repr(error))
                client.close()
                client = Client(self._balancer)
                continue
            if status == 200:
                self.answered[number] += 1
            else:
                self.failed.append(str(status))
        client.close()

    def _send(self, client: Client, number: int) -> int:
        if number < READERS:
            return client.send("GET", f"{PREFIX}/user/u{self.answered[number] % 16:02}")
        event = {"user_id": f"writer{number}", "game_id": f"g{self.answered[number] % 16:02}", "event_type": "viewed"}
        return client.send("POST", f"{PREFIX}/interactions", event)


def test_two_replicas_that_are_restarted_in_turn_under_load_fail_no_request(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    checkerboard(database)
    trained(database, tmp_path)
    settings = {"RECOMMENDATION_TRAINING": "queued", "RECOMMENDATION_DRAIN_SECONDS": "2"}
    replicas = [Api(postgres_url, tmp_path, **settings) for _ in range(2)]
    balancer = Balancer([replica.port for replica in replicas])
    traffic = Traffic(balancer)
    for round_ in range(max(2, ROUNDS // 5)):
        place = round_ % 2
        going, staying = replicas[place], replicas[1 - place]
        goal = sum(traffic.answered) + ENOUGH
        staying.until(lambda goal=goal: sum(traffic.answered) >= goal)
        going.process.send_signal(signal.SIGTERM)
        assert going.process.wait(30) in (0, -signal.SIGTERM)
        replicas[place] = Api(postgres_url, tmp_path, going.port, **settings)
        staying.until(lambda: len(balancer.ready) == 2)
    traffic.end()
    balancer.close()
    assert traffic.failed == []
    counted = {row[0]: 0 for row in pairs(database) if row[0].startswith("writer")}
    for row in pairs(database):
        if row[0] in counted:
            counted[row[0]] += row[3]
    assert counted == {f"writer{number}": traffic.answered[number] for number in range(READERS, READERS + WRITERS)}
    for replica in replicas:
        replica.kill()
    database.close()
