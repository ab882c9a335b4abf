"""
Round after round: shops call, troubles befall, and what was acknowledged is compared with what is there.

To see that it can fail, the service was broken on purpose, one way at a time; each was found within some rounds:
a write that is counted twice now and then, a commit that is rolled back before its answer, an owned filter left out, an
exception in one read of fifty, and the list of another user in one read of twenty.
"""

import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from judge import Person, judge_export
from ledger import Ledger
from manager import BYSTANDER, LAG_SECONDS, Manager
from pages import judge_items
from shoppers import Shopper
from stage import Call, Stage
from troubles import Troubles

SHOPPERS = 3
STEPS = 10
CALM_EVERY = 10
"""After so many rounds the processes are left alone for five seconds and have to agree."""

WELL_SECONDS = 20.0
"""So long after the last trouble everything has to be answered again."""


class Run:
    """Many rounds over one store. What a round does follows from its name alone, which is the seed and a number."""

    def __init__(self, stage: Stage, troubles: Troubles, ledger: Ledger, seed: str) -> None:
        self.stage, self.troubles, self.ledger, self.seed = stage, troubles, ledger, seed
        self.manager = Manager(stage, ledger)
        self.people: list[Person] = []
        self._last: list[Person] = []

    def round(self, number: int) -> None:
        """Run one round."""
        name = self.ledger.round = f"{self.seed}/{number}"
        self.ledger.count("rounds")
        new = [Person(f"r{number}-u{place}") for place in range(SHOPPERS)]
        old = [person for person in self._last if not person.spoiled and not person.erased]
        visitors = [Person(f"r{number}-v{place}", is_visitor=True) for place in range(SHOPPERS)]
        shoppers = [
            Shopper(f"{name}/{place}", self.stage, self.ledger, [one, visitor, *old[place : place + 1]], self.manager)
            for place, (one, visitor) in enumerate(zip(new, visitors, strict=True))
        ]
        works: list[Callable[[], Any]] = [lambda shopper=shopper: shopper.run(STEPS) for shopper in shoppers]
        works.append(lambda: self.manager.run(f"{name}/manager", STEPS // 2))
        works.append(lambda: self.troubles.run(name, [person.user for person in new + visitors + old]))
        at_once(works)
        at_once([lambda shopper=shopper: shopper.settle(WELL_SECONDS) for shopper in shoppers])
        self.people += new + visitors
        self._last = new
        earlier = Random(f"{name}/earlier").sample(self.people, min(3, len(self.people)))
        self.compare({id(person): person for person in [*new, *visitors, *old, *earlier]}.values())
        if number % CALM_EVERY == CALM_EVERY - 1:
            self.calm()

    def compare(self, people: Any) -> None:
        """Compare what is there with what may be true."""
        self.troubles.quiesce()
        for person in people:
            if person.spoiled:
                continue
            found = self._compare_one(person)
            if found:
                person.spoiled = True
                self.ledger.wrong(*found)

    def _compare_one(self, person: Person) -> tuple[str, str] | None:
        call = Call("GET", f"/user/{person.user}/export")
        answer = self.stage.insist(call, list(range(len(self.stage.replicas))), WELL_SECONDS)
        if answer is None:
            return "hang over 15 s", f"no export of {person.user} {WELL_SECONDS:.0f} s after the last trouble"
        self.ledger.count("exports compared")
        return judge_export(person, answer.body)

    def calm(self) -> None:
        """Leave everything alone until each process has to know everything, and have them agree."""
        since = max(self.stage.calm_since, time.monotonic() - 1)
        time.sleep(max(0.0, since + LAG_SECONDS + 0.1 - time.monotonic()))
        places = range(len(self.stage.replicas))
        live = {self.stage.send(Call("GET", "/models"), place).body["live"] for place in places}
        lists = [self.stage.send(Call("GET", f"/user/{BYSTANDER}?limit=100"), place) for place in places]
        for answer in lists:
            assert answer.status == 200, f"all is well, and yet: {answer}"
            versions = {item["model_version"] for item in answer.body["items"] if item["source"] == "cf"}
            if not versions <= live or len(live) != 1:
                self.ledger.wrong("stale after acknowledgement", f"lists made by {versions}, live is {live}")
        if len({answer.headers["etag"] for answer in lists}) > 1:
            told = [[item["game_id"] for item in answer.body["items"]] for answer in lists]
            self.ledger.wrong("stale after acknowledgement", f"five seconds later two processes differ: {told}")
        for place in places:
            self.manager.look(place)
            for person in Random(self.ledger.round).sample(self.people, min(4, len(self.people))):
                self._read(person, place)
        self.ledger.count("calm looks at every process")

    def _read(self, person: Person, place: int) -> None:
        with self.manager.looking(place) as look:
            answer = self.stage.send(Call("GET", f"/user/{person.user}?limit=100"), place)
        assert answer.status == 200, f"all is well, and yet: {answer}"
        if not person.spoiled:
            for kind, told in judge_items(person, answer.body["items"], look.off_sale, look.asked_at, whole=True):
                person.spoiled = True
                self.ledger.wrong(kind, told)

    def end(self) -> None:
        """Look at everyone of every round once more."""
        self.ledger.round = f"{self.seed}/end"
        self.calm()
        self.compare(self.people)


def at_once(works: list[Callable[[], Any]]) -> None:
    """Do several things at once; the first error of any is raised."""
    errors: list[BaseException] = []

    def do(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
