"""What became of the rows of a file, in a few lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_EXAMPLES, _DETAILS = 5, 3
_HANDFUL = 20
"""Fewer refused rows say nothing of a file."""


@dataclass
class Report:
    """Counts of what was taken, and of what was not with the first lines of each kind."""

    accepted: int = 0
    duplicates: int = 0
    counted_before: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    """The first few of each kind with what they hold: ids of users among it, so never for a log."""
    _lines: dict[str, list[int]] = field(default_factory=dict)

    def refuse(self, code: str, lines: Sequence[int], count: int | None = None, details: Sequence[str] = ()) -> None:
        """Note lines that were refused; of many, the first few and their `count` will do, and why they were refused."""
        self.refused[code] += len(lines) if count is None else count
        told = sum(detail.startswith(f"{code}, ") for detail in self.details)
        self.details += [
            f"{code}, line {line}: {detail}"
            for line, detail in list(zip(lines, details, strict=False))[: max(_DETAILS - told, 0)]
        ]
        known = self._lines.setdefault(code, [])
        for line in lines:
            if len(known) < _EXAMPLES and line not in known:
                known.append(line)

    def loses_too_much(self, most: float) -> bool:
        """Tell whether more than a share of the events was refused; a handful never is too much."""
        refused = self.refused.total()
        return refused >= _HANDFUL and refused > most * (refused + self.usable)

    @property
    def usable(self) -> int:
        """Rows that were good, now or in an earlier start."""
        return self.accepted + self.duplicates + self.counted_before

    def refusals(self) -> list[str]:
        """Say for each code how many rows were refused, and which came first."""
        return [f"refused {code}: {count:,}{self._where(code, count)}" for code, count in self.refused.most_common()]

    def _where(self, code: str, count: int) -> str:
        lines = self._lines[code]
        if not lines:
            return ""
        more = ", …" if count > len(lines) else ""
        return f" (line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}{more})"
