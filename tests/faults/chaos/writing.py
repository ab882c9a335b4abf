"""What shops send for their users: events, feedback, lists of their own; and all of it once more."""

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from judge import Event, Moment, Person, Pin, Pins, Write
from ledger import Ledger
from pages import reason_for
from sending import Sender, Sent
from stage import SHELF, Answer, Call, Stage

KINDS = ["viewed", "viewed", "clicked", "wishlisted", "played", "played", "purchased", "purchased", "refunded"]
ACTIONS = ["clicked", "wishlisted", "purchased", "dismissed", "dismissed", "dismissed"]
SOURCES = ["editorial", "rule:own"]
TICKS = itertools.count(1)
"""The order of events that happen now: one person is never written to by two shoppers at once."""

OPEN_AT_MOST = 4
"""Writes without a name that may be open for one person: each doubles the states that may be true."""


class Writer(Sender):
    """Writes for the people of one shopper."""

    def __init__(self, name: str, stage: Stage, ledger: Ledger, people: list[Person]) -> None:
        super().__init__(name, stage, ledger, people)
        self.named: list[tuple[str, Event]] = []
        """Events that were counted, by their ids."""

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
        user = self.chance.choice([person.user, *person.visitors])  # what comes late for a visitor is the account's
        row = {"user_id": user, "game_id": self.chance.choice(SHELF), **more}
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
            if not is_named:
                return
            for row, event in zip(rows, events, strict=True):
                self.named.append((row["event_id"], event))

        is_named = style in ("ids", "both")
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
        free = [person for person in free if not person.is_visitor]
        if not free:
            return
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
            if _came_too_late(answer, items):
                self.ledger.count("lists refused as their time was over")
                return  # an earlier try may have been in time, and its answer lost: both lists may stand
            if answer.status not in ((200, 204, 404) if items is None else (200,)):
                self.ledger.wrong("refused or odd answer", f"a list of {person.user}: {answer.status} {answer.body}")
            person.change_list(source, items, replace, answered=True)

        self._send(Sent(Call(call.method, call.path, call.body, key), [person], on_answer))

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


def _came_too_late(answer: Answer, items: Pins | None) -> bool:
    """Tell whether a list was refused for items whose time was over when it came."""
    over = [pin for pin in (items or {}).values() if pin.expires_at < time.time()]
    codes = {row["code"] for row in answer.body["rejected"]} if answer.status == 422 and over else set()
    return "invalid_expires_at" in codes and codes <= {"invalid_expires_at", "list_unchanged"}


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
