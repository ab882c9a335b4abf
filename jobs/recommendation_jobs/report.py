"""What became of the rows of a file, in a few lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_EXAMPLES = 5


@dataclass
class Report:
    """Counts of what was taken, and of what was not with the first lines of each kind."""

    accepted: int = 0
    duplicates: int = 0
    counted_before: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _lines: dict[str, list[int]] = field(default_factory=dict)

    def refuse(self, code: str, lines: Sequence[int], count: int | None = None) -> None:
        """Note lines that were refused; of many, the first few and their `count` will do."""
        self.refused[code] += len(lines) if count is None else count
        known = self._lines.setdefault(code, [])
        for line in lines:
            if len(known) < _EXAMPLES and line not in known:
                known.append(line)

    @property
    def usable(self) -> int:
        """Rows that were good, now or in an earlier start."""
        return self.accepted + self.duplicates + self.counted_before

    def refusals(self) -> list[str]:
        """Say for each code how many rows were refused, and which came first."""
        return [
            f"refused {code}: {count:,} (line{'s' if len(self._lines[code]) > 1 else ''} "
            f"{', '.join(map(str, self._lines[code]))}{', …' if count > len(self._lines[code]) else ''})"
            for code, count in self.refused.most_common()
        ]
