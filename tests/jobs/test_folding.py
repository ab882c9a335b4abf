from __future__ import annotations

from datetime import timedelta
from typing import Any

import files
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recommendation.clock import rfc3339, utc_now
from recommendation.interactions.events import parse_interactions
from recommendation.interactions.pairs import PairChange
from recommendation.interactions.pairs import fold as fold_one_by_one
from recommendation_jobs.__main__ import parse
from recommendation_jobs.checking import Checked, Weigher, check
from recommendation_jobs.columns import EPOCH
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.mapping import mapping_from

NAMES = ["user_id", "game_id", "event_type", "quantity", "occurred_at"]
NOW = utc_now()
DAY = "2026-01-01"

ids = st.sampled_from(["a", "b", "é", "\U0001f3ae", "\uffee", "bad/id", "", "x" * 129, "..", "tab\t"])
times = st.one_of(
    st.just(""),
    st.integers(-3, 3).map(lambda days: rfc3339(NOW - timedelta(days=days))),
    st.integers(0, 3).map(lambda seconds: rfc3339(EPOCH + timedelta(seconds=seconds))),
    st.sampled_from(["yesterday", DAY, "2026-02-30T00:00:00Z", "2026-01-01T00:00:00.1234567Z"]),
)
quantities = st.one_of(
    st.just(""),
    st.integers(-1, 1_000_001).map(str),
    st.floats(0, 100).map(repr),
    st.sampled_from(["nan", "inf", "1e400", "0.0000005"]),
)
kinds = st.sampled_from(["viewed", "played", "purchased", "refunded", "clicked", "dismissed", "stolen", ""])
rows = st.lists(st.tuples(ids, ids, kinds, quantities, times), min_size=1, max_size=40)


def as_sent(row: tuple[str, ...]) -> dict[str, Any]:
    """What a client would send for a row of a file."""
    fields: dict[str, Any] = {name: value for name, value in zip(NAMES, row, strict=True) if value}
    if fields.get("occurred_at") == DAY:
        fields["occurred_at"] = f"{DAY}T00:00:00Z"  # a file may give a day alone, a client may not
    if "quantity" in fields:
        fields["quantity"] = float(fields["quantity"])
    return fields


def checked_events(given_rows: list[tuple[str, ...]], first_row: int = 0) -> Checked:
    columns = {name: [row[place].encode() for row in given_rows] for place, name in enumerate(NAMES)}
    table = pa.table({name: pa.array(values, pa.binary()) for name, values in columns.items()})
    mapping = mapping_from(parse(["import", "f"]), NAMES, files.settings().weights)
    return check(table, mapping, Weigher(files.settings().weights), NOW, first_row)


@given(rows, st.integers(1, 40))
def test_pieces_fold_again_to_what_the_whole_folds_to(given_rows: list[tuple[str, ...]], size: int) -> None:
    owning = files.settings().owning_events
    whole = fold(checked_events(given_rows).events, owning)
    starts = range(0, len(given_rows), size)
    pieces = [fold(checked_events(given_rows[start : start + size], start).events, owning) for start in starts]
    used = [piece for piece in pieces if piece.num_rows]
    assert (fold_again(used).to_pylist() if used else []) == whole.to_pylist()


@given(rows)
def test_a_chunk_folds_to_what_its_events_fold_to_one_by_one(given_rows: list[tuple[str, ...]]) -> None:
    settings = files.settings()
    given_rows = [row for row in given_rows if any(row[:4])]
    checked = checked_events(given_rows)
    one_by_one, rejected = parse_interactions([as_sent(row) for row in given_rows], settings.weights, NOW)
    changes = fold_one_by_one((event for _, event in one_by_one), settings.owning_events)
    found = [PairChange(row.pop("user_id"), row.pop("game_id"), row.pop("score_millionths"), **row)
             for row in fold(checked.events, settings.owning_events).to_pylist()]  # fmt: skip
    assert found == changes
    refused = {(int(row), code) for code, rows_of in checked.refused.rows.items() for row in rows_of}
    assert refused == {(rejection.index, rejection.code) for rejection in rejected}
