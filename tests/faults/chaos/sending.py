"""Requests that are sent until they are answered, and what becomes of those that are not."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from judge import Person
from ledger import Ledger
from stage import Answer, Call, Stage

BACK_OFF_SECONDS = 0.1


@dataclass
class Sent:
    """A request that is sent again until it is answered, and what it does to the people of a shopper."""

    call: Call
    people: list[Person]
    on_answer: Callable[[Answer], None]
    tries: int = 0


class Sender:
    """Sends for the people of one shopper; a request that is not answered keeps its people out of others."""

    def __init__(self, name: str, stage: Stage, ledger: Ledger, people: list[Person]) -> None:
        self.name, self.stage, self.ledger, self.people = name, stage, ledger, people
        self.chance = Random(name)
        self.parked: list[Sent] = []
        """Requests that were not answered in the round: they are sent again after it."""
        self.answered: list[tuple[Sent, Answer]] = []
        self._count = 0

    def settle(self, seconds: float) -> None:
        """Send what was not answered, until it is."""
        for sent in self.parked:
            answer = self.stage.insist(sent.call, self._places(), seconds)
            if answer is None:
                self.ledger.wrong("hang over 15 s", f"not answered {seconds:.0f} s after the last trouble: {sent.call}")
            else:
                self._take(sent, answer)
        self.parked = []

    def _send(self, sent: Sent, twins: bool = False) -> bool:
        """Send until answered, three times at most; what then is open is parked."""
        for _ in range(3):
            if answer := self._send_twins(sent) if twins else self._send_plain(sent):
                self._take(sent, answer)
                return True
            sent.tries += 1
            time.sleep(BACK_OFF_SECONDS)
        self.parked.append(sent)
        return False

    def _send_plain(self, sent: Sent) -> Answer | None:
        answer = self.stage.send(sent.call, self._place())
        return answer if answer.settled else None

    def _send_twins(self, sent: Sent) -> Answer | None:
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda place: self.stage.send(sent.call, place), [self._place(), self._place()]))
        settled = [answer for answer in answers if answer.settled]
        if len(settled) == 2 and settled[0].body != settled[1].body:
            self.ledger.wrong("refused or odd answer", f"twins: {settled[0].body} and {settled[1].body}")
        return settled[0] if settled else None

    def _send_once(self, sent: Sent) -> None:
        answer = self.stage.send(sent.call, self._place())
        if answer.settled:
            sent.on_answer(answer)

    def _take(self, sent: Sent, answer: Answer) -> None:
        if sent.tries:
            self.ledger.count("writes answered after a retry")
        sent.on_answer(answer)
        self.answered.append((sent, answer))

    def _is_parked(self, person: Person) -> bool:
        return any(person in sent.people for sent in self.parked)

    def _places(self) -> list[int]:
        return list(range(len(self.stage.replicas)))

    def _place(self) -> int:
        """One of the replicas; one that is known to be gone is asked now and then."""
        if self.chance.random() < 0.1:
            return self.chance.choice(self._places())
        return self.stage.ready_place(self.chance)
