"""What shops do: each shopper has two people of its own, and sends one request after another for them."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from judge import Event, Moment, Person, Pin, Pins, Write
from ledger import Ledger
from manager import Manager
from pages import judge_items, reason_for, walk
from stage import SHELF, Answer, Call, Stage

KINDS = ["viewed", "viewed", "clicked", "wishlisted", "played", "played", "purchased", "purchased", "refunded"]
ACTIONS = ["clicked", "wishlisted", "purchased", "dismissed", "dismissed", "dismissed"]
SOURCES = ["editorial", "rule:own"]
EXPIRED = {"invalid_expires_at", "list_unchanged"}
"""Why a list is refused of which an item has expired."""

BACK_OFF_SECONDS = 0.1
TICKS = itertools.count(1)
"""The order of events that happen now: one person is never written to by two shoppers at once."""

OPEN_AT_MOST = 4
"""Writes without a name that may be open for one person: each doubles the states that may be true."""


@dataclass
class Sent:
    """A request that is sent again until it is answered, and what it does to the people of a shopper."""

    call: Call
    people: list[Person]
    on_answer: Callable[[Answer], None]
    tries: int = 0


class Shopper:
    """One caller."""

    def __init__(self, name: str, stage: Stage, ledger: Ledger, people: list[Person], manager: Manager) -> None:
        self.name, self.stage, self.ledger, self.people, self.manager = name, stage, ledger, people, manager
        self.chance = Random(name)
        self.parked: list[Sent] = []
        """Requests that were not answered in the round: they are sent again after it."""
        self.answered: list[tuple[Sent, Answer]] = []
        self._count = 0
        self._seen: dict[tuple[str, int], tuple[str, Any]] = {}

    def run(self, steps: int) -> None:
        """Do a number of things."""
        doings = [self.interact] * 6 + [self.give_feedback] * 4 + [self.pin] * 2
        doings += [self.read] * 5 + [self.read_pages, self.generate, self.repeat, self.conflict, self.ask_why]
        for _ in range(steps):
            free = [person for person in self.people if not self._is_parked(person) and not person.erased]
            if free:
                self.chance.choice(doings)(free)
        if self.chance.random() < 0.3:
            self.erase(self.people[-1])

    def interact(self, free: list[Person]) -> None:
        """Send events, with or without names."""
        kind = self.chance.choice(KINDS)
        rows, events = [], []
        style = self.chance.choice(["key", "ids", "both", "twins", "none"])
        for _ in range(self.chance.choice([1, 1, 2, 4])):
            row, event = self._row(self.chance.choice(free), kind, {"event_type": kind}, style in ("ids", "both"))
            row["quantity"] = float(event.quantity)
            rows.append(row)
            events.append(event)
            kind = self.chance.choice(KINDS)
        self._write("/interactions", rows, events, style)

    def give_feedback(self, free: list[Person]) -> None:
        """Say what users did with a list."""
        action, style = self.chance.choice(ACTIONS), self.chance.choice(["key", "ids", "both", "twins", "none"])
        row, event = self._row(self.chance.choice(free), action, {"action": action}, style in ("ids", "both"))
        self._write("/feedback", [row], [event], style)

    def _row(self, person: Person, kind: str, more: dict[str, Any], named: bool) -> tuple[dict[str, Any], Event]:
        self._count += 1
        is_feedback = "action" in more
        quantity = "1" if is_feedback else f"1.{self._count:03}"
        row = {"user_id": person.user, "game_id": self.chance.choice(SHELF), **more}
        moment: Moment = (1, next(TICKS))
        if self.chance.random() < 0.2:
            long_ago = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.chance.randrange(10**7))
            row["occurred_at"] = long_ago.isoformat()
            moment = (0, row["occurred_at"])
        if named:
            row["event_id"] = f"{self.name}-{self._count}".replace("/", "-")
        return row, Event(person.user, row["game_id"], kind, quantity, moment, is_feedback)

    def _write(self, path: str, rows: list[dict[str, Any]], events: list[Event], style: str) -> None:
        people = [person for person in self.people if person.user in {event.user for event in events}]
        if style == "none" and any(len(person.open) >= OPEN_AT_MOST for person in people):
            style = "key"
        write = Write(events)
        for person in people:
            person.writes.append(write)

        def on_answer(answer: Answer) -> None:
            self._judge_taken(answer, len(rows))
            write.counted = True

        key = f"{self.name}-key-{self._count}" if style in ("key", "both", "twins") else None
        sent = Sent(Call("POST", path, rows, key), people, on_answer)
        if style == "none":
            self._send_once(sent)
        else:
            self._send(sent, twins=style == "twins")

    def _judge_taken(self, answer: Answer, rows: int) -> None:
        body = answer.body
        if answer.status != 200 or body["accepted"] + body["duplicates"] != rows or body["rejected"]:
            self.ledger.wrong("refused or odd answer", f"{rows} good rows: {answer.status} {body}")

    def pin(self, free: list[Person]) -> None:
        """Change a first-party list of one person, or clear it."""
        person, source = self.chance.choice(free), self.chance.choice(SOURCES)
        if self.chance.random() < 0.2:
            self._change_list(person, source, None, True, Call("DELETE", f"/user/{person.user}/lists/{source}"))
            return
        now, replace = time.time(), self.chance.random() < 0.5
        items = {game: self._pin(person, now) for game in self.chance.sample(SHELF, self.chance.choice([1, 2, 4]))}
        rows = [
            {
                "user_id": person.user,
                "game_id": game,
                "score": 1,
                "source": source,
                "reason": pin.reason,
                **({"position": pin.position} if pin.position else {}),
                **({"expires_at": _written(pin.expires_at)} if pin.expires_at < float("inf") else {}),
            }
            for game, pin in items.items()
        ]
        body = {"recommendations": rows, "mode": "replace" if replace else "merge"}
        self._change_list(person, source, items, replace, Call("POST", "/batch", body))

    def _pin(self, person: Person, now: float) -> Pin:
        expires = now + 0.5 if self.chance.random() < 0.15 else float("inf")
        return Pin(reason_for(person.user), self.chance.choice([None, 1, 2, 3]), expires)

    def _change_list(self, person: Person, source: str, items: Pins | None, replace: bool, call: Call) -> None:
        self._count += 1
        key = f"{self.name}-list-{self._count}" if self.chance.random() < 0.5 else None
        person.change_list(source, items, replace, answered=False)

        def on_answer(answer: Answer) -> None:
            if items is None and answer.status == 404:
                pass  # there was nothing to clear, or the request before it cleared it and its answer was lost
            elif (
                answer.status == 422
                and {row["code"] for row in answer.body.get("rejected", ({"code": None},))} <= EXPIRED
            ):
                return  # a retry that came after an item's end: what was sent before may have been taken
            elif answer.status not in (200, 204):
                self.ledger.wrong("refused or odd answer", f"a list of {person.user}: {answer.status} {answer.body}")
            person.change_list(source, items, replace, answered=True)

        self._send(Sent(Call(call.method, call.path, call.body, key), [person], on_answer))

    def read(self, free: list[Person]) -> None:
        """Read a list, often with the mark of the one that was read before."""
        person, place = self.chance.choice(free), self._place()
        before = self._seen.get((person.user, place)) if self.chance.random() < 0.7 else None
        call = Call("GET", f"/user/{person.user}?limit=100", etag=before[0] if before else None)
        with self.manager.looking(place) as look:
            answer = self.stage.send(call, place)
        if answer.status == 304 and before:
            self.ledger.count("answers 304, judged as what was read before")
            self._judge(person, before[1]["items"], look.off_sale, look.asked_at, True, f"304 of {place}: ")
        elif self._is_page(answer):
            if answer.body["user_id"] != person.user:
                self.ledger.wrong("foreign item", f"asked for {person.user}: list of {answer.body['user_id']}")
            self._seen[person.user, place] = (answer.headers["etag"], answer.body)
            self._judge(person, answer.body["items"], look.off_sale, look.asked_at, True, f"read of {place}: ")

    def read_pages(self, free: list[Person]) -> None:
        """Read a list to its end in small pages."""
        person, place = self.chance.choice(free), self._place()

        def ask(query: str) -> Any:
            answer = self.stage.send(Call("GET", f"/user/{person.user}?{query}"), place)
            return answer.body if self._is_page(answer) else None

        with self.manager.looking(place) as look:
            items = walk(ask, self.chance.choice([3, 7]))
        if items is not None:
            self._judge(person, items, look.off_sale, look.asked_at, True, f"pages of {place}: ")

    def generate(self, free: list[Person]) -> None:
        """Have a list made and stored now."""
        person, place = self.chance.choice(free), self._place()
        with self.manager.looking(place) as look:
            answer = self.stage.send(Call("POST", f"/user/{person.user}/generate?limit=100"), place)
        if self._is_page(answer):
            self._judge(person, answer.body["items"], look.off_sale, look.asked_at, True, f"generated by {place}: ")

    def ask_why(self, free: list[Person]) -> None:
        """Ask why a game is shown that must not be."""
        person, place = self.chance.choice(free), self._place()
        if hidden := person.hidden()[0]:
            game = self.chance.choice(sorted(hidden))
            answer = self.stage.send(Call("GET", f"/user/{person.user}/why?game_id={game}"), place)
            if answer.status == 200 and answer.body["shown"]:
                self.ledger.wrong("owned or dismissed shown", f"why: {answer.body}")

    def repeat(self, _: list[Person]) -> None:
        """Send a request again that was answered."""
        if self.answered:
            self._again(*self.chance.choice(self.answered))

    def _again(self, sent: Sent, first: Answer) -> None:
        if not isinstance(sent.call.body, list):
            return  # a change of a list is a new one each time, unless it has a key
        answer = self.stage.send(sent.call, self._place())
        if not answer.settled:
            return
        self.ledger.count("answered writes sent again")
        if sent.call.key:
            right = answer.body == first.body and answer.headers.get("idempotency-replayed") == "true"
        else:
            right = answer.body == {"accepted": 0, "duplicates": len(sent.call.body), "rejected": []}
        if not right and not any(person.erased for person in sent.people):
            told = f"sent again with {sent.call.key}: {answer.status} {answer.body}, first {first.body}"
            self.ledger.wrong("refused or odd answer", told)

    def conflict(self, _: list[Person]) -> None:
        """Use the id of an event again, with other content."""
        named = [sent for sent, _ in self.answered if not sent.call.key and isinstance(sent.call.body, list)]
        if not named:
            return
        sent = self.chance.choice(named)
        row = {**sent.call.body[0], "game_id": "another"}
        answer = self.stage.send(Call("POST", sent.call.path, [row]), self._place())
        if answer.settled and [one["code"] for one in answer.body.get("rejected", [])] != ["event_id_conflict"]:
            self.ledger.wrong("refused or odd answer", f"other content: {answer.status} {answer.body}")

    def erase(self, person: Person) -> None:
        """Erase someone of whom every write was answered, then send some of those writes again."""
        if person.erased or person.open or self._is_parked(person):
            return
        ahead, write = self._send_ahead(person)
        self._count += 1
        call = Call("DELETE", f"/user/{person.user}", key=f"{self.name}-erase-{self._count}")

        def on_answer(answer: Answer) -> None:
            if answer.status != 200:
                self.ledger.wrong("refused or odd answer", f"erasure of {person.user}: {answer.status} {answer.body}")
            self.ledger.count("erasures")
            for earlier in person.writes:
                earlier.events = [event for event in earlier.events if event.user != person.user]
            person.erase()

        if self._send(Sent(call, [person], on_answer)):
            mine = [(sent, first) for sent, first in self.answered if sent.people == [person]]
            for sent, first in self.chance.sample(mine, min(3, len(mine))):
                self._again(sent, first)
            for row in ([ahead] if write.counted else []) + [{**ahead, "occurred_at": "2026-02-01T00:00:00+00:00"}]:
                self._come_back(row)

    def _send_ahead(self, person: Person) -> tuple[dict[str, Any], Write]:
        """
        Send an event whose clock is ahead, as clocks of shops are, and return it with what became of it.

        Without an answer it may not have been counted. The erasure then did not see it, so that it is an event of
        after the erasure by its own time, and counts.
        """
        ahead = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        row = {"user_id": person.user, "game_id": SHELF[0], "event_type": "viewed", "occurred_at": ahead}
        person.writes.append(write := Write([Event(person.user, SHELF[0], "viewed", "1", (1, next(TICKS)))]))
        write.counted = self.stage.send(Call("POST", "/interactions", [row]), self._place()).settled or None
        return row, write

    def _come_back(self, row: dict[str, Any]) -> None:
        """Send an event of before the erasure, as a late retry does: it is refused."""
        answer = self.stage.send(Call("POST", "/interactions", [row]), self._place())
        if answer.settled and [one["code"] for one in answer.body.get("rejected", [])] != ["user_erased"]:
            self.ledger.wrong("erased user back", f"by {row}: {answer.status} {answer.body}")

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

    def _is_page(self, answer: Answer) -> bool:
        if answer.settled and answer.status not in (200, 304):
            self.ledger.wrong("refused or odd answer", f"a list: {answer.status} {answer.body}")
        return answer.status == 200

    def _judge(self, person: Person, items: Any, off_sale: set[str], asked_at: float, whole: bool, where: str) -> None:
        self.ledger.count("lists judged")
        if not person.spoiled:
            for kind, told in judge_items(person, items, off_sale, asked_at, whole):
                person.spoiled = True
                self.ledger.wrong(kind, where + told)

    def _is_parked(self, person: Person) -> bool:
        return any(person in sent.people for sent in self.parked)

    def _places(self) -> list[int]:
        return list(range(len(self.stage.replicas)))

    def _place(self) -> int:
        """One of the replicas; one that is known to be gone is asked now and then."""
        if self.chance.random() < 0.1:
            return self.chance.choice(self._places())
        return self.stage.ready_place(self.chance)


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
