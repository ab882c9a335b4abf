"""What was sent, what went wrong, and the table of it."""

import threading
from collections import Counter
from dataclasses import dataclass

WRONGS = (
    "lost",
    "counted twice",
    "foreign item",
    "owned or dismissed shown",
    "stale after acknowledgement",
    "5xx other than 503",
    "hang over 15 s",
    "erased user back",
    "refused or odd answer",
)
"""Everything that the contract rules out: one of these is one too many."""


@dataclass(frozen=True)
class Wrong:
    """One broken promise."""

    kind: str
    round: str
    told: str


class Ledger:
    """Counts of one run; threads write to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.wrongs: list[Wrong] = []
        self.round = "the beginning"

    def count(self, what: str, times: int = 1) -> None:
        """Count something that happened."""
        with self._lock:
            self.counts[what] += times

    def wrong(self, kind: str, told: str) -> None:
        """Note a broken promise, and print it at once: a long run may not come to its end."""
        assert kind in WRONGS, kind
        with self._lock:
            self.wrongs.append(Wrong(kind, self.round, told))
        print(f"\nWRONG in {self.round}: {kind}: {told}", flush=True)

    def table(self) -> str:
        """Write every count, one a line."""
        found = Counter(wrong.kind for wrong in self.wrongs)
        lines = [f"  {count:>9,}  {what}" for what, count in sorted(self.counts.items())]
        return "\n".join([*lines, *(f"  {found[kind]:>9,}  {kind.upper()}" for kind in WRONGS)])
