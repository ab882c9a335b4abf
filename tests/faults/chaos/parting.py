"""What takes something of a user away: one event taken back, a visitor who becomes an account, an erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from judge import Event, Person, Write
from sending import Sent
from stage import SHELF, Answer, Call
from writing import TICKS, Writer


class Parter(Writer):
    """Takes away what belongs to the people of one shopper."""

    def take_back(self, _: list[Person]) -> None:
        """Take back an event that was counted, and of which the contract says what is left."""
        free = [(name, event) for name, event in self.named if self._is_exact(event)]
        if not free:
            return
        name, event = self.chance.choice(free)
        person = self._owner(event)
        assert person
        self.named.remove((name, event))
        self._count += 1
        key = f"{self.name}-back-{self._count}" if self.chance.random() < 0.5 else None
        taking = Write([], takes_back=event)
        person.writes.append(taking)

        def on_answer(answer: Answer) -> None:
            if answer.status != 200 or answer.body["game_id"] != event.game:
                self.ledger.wrong("refused or odd answer", f"taking back {name}: {answer.status} {answer.body}")
            self.ledger.count("events taken back")
            taking.counted = True

        self._send(Sent(Call("DELETE", f"/interactions/{name}", key=key), [person], on_answer))

    def _is_exact(self, event: Event) -> bool:
        """Tell whether its pair has no event without an id that may have come late: what that says may be lost."""
        person = self._owner(event)
        if person is None or person.open:
            return False
        named = {id(one) for _, one in self.named}
        others = (one for write in person.writes for one in write.events if one.game == event.game)
        return not any(one.moment[0] == 0 and id(one) not in named for one in others if person.owns(one))

    def _owner(self, event: Event) -> Person | None:
        """Return whose event it is now, if that person is free."""
        for person in self.people:
            mine = person.owns(event) and any(event is one for write in person.writes for one in write.events)
            if mine and not person.erased and not self._is_parked(person):
                return person
        return None

    def merge(self, free: list[Person]) -> None:
        """Make the visitor one of the others."""
        visitor = next((person for person in free if person.is_visitor and not person.merged), None)
        others = [person for person in free if not person.is_visitor and len(person.open) <= 1]
        if visitor is None or not others or len(visitor.open) > 1:
            return
        person = self.chance.choice(others)
        self._count += 1
        key = f"{self.name}-merge-{self._count}" if self.chance.random() < 0.5 else None
        visitor.merged = True

        def on_answer(answer: Answer) -> None:
            if answer.status != 200:
                self.ledger.wrong("refused or odd answer", f"merge of {visitor.user}: {answer.status} {answer.body}")
            self.ledger.count("visitors merged")
            person.take_over(visitor)

        call = Call("POST", f"/user/{visitor.user}/merge", {"into": person.user}, key)
        self._send(Sent(call, [visitor, person], on_answer))

    def erase(self, person: Person) -> None:
        """Erase someone of whom every write was answered, then send some of those writes again."""
        if person.erased or person.merged or person.open or self._is_parked(person):
            return
        ahead, write = self._send_ahead(person)
        self._count += 1
        call = Call("DELETE", f"/user/{person.user}", key=f"{self.name}-erase-{self._count}")

        def on_answer(answer: Answer) -> None:
            if answer.status != 200:
                self.ledger.wrong("refused or odd answer", f"erasure of {person.user}: {answer.status} {answer.body}")
            self.ledger.count("erasures")
            for earlier in person.writes:
                earlier.events = [event for event in earlier.events if not person.owns(event)]
            person.erase()

        if self._send(Sent(call, [person], on_answer)):
            mine = [(sent, first) for sent, first in self.answered if sent.people == [person]]
            for sent, first in self.chance.sample(mine, min(3, len(mine))):
                self._again(sent, first)
            for row in ([ahead] if write.counted else []) + [{**ahead, "occurred_at": "2026-02-01T00:00:00+00:00"}]:
                for user in (person.user, *person.visitors):
                    self._come_back({**row, "user_id": user})

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
