"""Whose turn it is: one regeneration at a time in a namespace, in order of release or creation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from recommendation_operator.drop import ContentDrop


def holder(drops: Iterable[ContentDrop], now: datetime) -> str | None:
    """
    The uid of the drop that may work now; None when none may.

    A drop at work keeps its turn until it ends or is suspended, even when an earlier one turns up. Were two at work
    (two operators with clocks apart), the order decides, alike for both operators.
    """
    waiting = [drop for drop in drops if _may_work(drop, now)]
    first = min(waiting, key=lambda drop: (not drop.is_true("Progressing"), drop.order), default=None)
    return first.uid if first else None


def _may_work(drop: ContentDrop, now: datetime) -> bool:
    if drop.finished or drop.deleting or drop.suspended or drop.dry_run or drop.flaw is not None:
        return False
    return drop.due <= now or drop.claimed
