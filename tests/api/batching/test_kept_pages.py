"""Pages that were answered are kept within a bound, the least used go first, and none is answered too long."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.experiments.treatment import USUAL
from recommendation.interactions.erasures import erase_user
from recommendation.lists.sources import PageRequest
from recommendation.lists.view import StoreView
from recommendation_api.batching.kept_pages import OVERHEAD_BYTES, UNREAD_FOR, KeptPage, KeptPages
from recommendation_api.routes import lists

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
VIEW = StoreView()
BYTES = 20_000


def page(user: str = "u", size: int = 100, at: datetime = NOW) -> KeptPage:
    return KeptPage(user, b"x" * size, '"t"', "stored", USUAL, 1, (), b"stamp", 0, None, at, at + timedelta(hours=1))


def find(pages: KeptPages, user: str, at: datetime = NOW, limit: int = 20) -> KeptPage | None:
    return pages.find(user, PageRequest(limit), b"stamp", VIEW, at)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2_000), st.booleans())))
def test_all_pages_together_stay_within_the_bound(asked: list[tuple[int, int, bool]]) -> None:
    pages = KeptPages(BYTES)
    for user, size, forget in asked:
        pages.keep(PageRequest(), page(f"u{user}", size), pages.erasures)
        if forget:
            pages.forget(f"u{user}")
        assert pages.bytes <= BYTES
        assert pages.bytes >= len(pages) * OVERHEAD_BYTES
    for user in range(10):
        pages.forget(f"u{user}")
    assert (len(pages), pages.bytes) == (0, 0)


def test_pages_that_were_not_read_for_longest_go_first() -> None:
    pages = KeptPages(11 * OVERHEAD_BYTES)
    for user in "abcdefgh":
        pages.keep(PageRequest(), page(user), erasures=0)
    assert find(pages, "a")
    for user in "ijk":
        pages.keep(PageRequest(), page(user), erasures=0)
    assert find(pages, "a")
    assert [user for user in "abcdefghijk" if find(pages, user) is None] == ["b"]


def test_a_page_that_is_too_large_is_not_kept_nor_any_without_a_bound() -> None:
    pages, none = KeptPages(BYTES), KeptPages(0)
    pages.keep(PageRequest(), page(size=BYTES // 8), erasures=0)
    none.keep(PageRequest(), page(size=0), erasures=0)
    assert len(pages) == len(none) == 0


@pytest.mark.parametrize("alphabet", "aéゲ😀")
def test_names_that_a_request_holds_count_in_full_in_every_alphabet(alphabet: str) -> None:
    names = frozenset(alphabet * 100 + str(number) for number in range(100))
    for request in (PageRequest(exclude=names), PageRequest(sources=names), PageRequest(before=names)):
        pages = KeptPages(100 * BYTES)
        pages.keep(request, page(), erasures=0)
        assert pages.bytes > getsizeof(names) + sum(map(getsizeof, names))


def test_a_page_that_was_not_asked_for_leaves_the_memory_after_an_hour() -> None:
    pages = KeptPages(BYTES)
    for user in ("gone", "read"):
        pages.keep(PageRequest(), page(user), erasures=0)
    find(pages, "read", NOW + timedelta(minutes=59))
    later = NOW + UNREAD_FOR + timedelta(seconds=1)
    pages.keep(PageRequest(), page("new", at=later), erasures=0)
    assert [key[0] for key in pages._pages] == ["read", "new"]


def test_pages_of_other_limits_and_filters_are_others() -> None:
    pages = KeptPages(BYTES)
    pages.keep(PageRequest(), page(), erasures=0)
    assert find(pages, "u", limit=19) is None
    assert pages.find("u", PageRequest(exclude=frozenset({"g"})), b"stamp", VIEW, NOW) is None
    assert find(pages, "v") is None
    assert find(pages, "u")
    assert pages.found == {"kept": 1, "outdated": 0, "new": 3}


def test_a_page_is_answered_up_to_its_end_and_not_before_it_was_made() -> None:
    pages = KeptPages(BYTES)
    pages.keep(PageRequest(), page(), erasures=0)
    assert find(pages, "u", NOW + timedelta(minutes=59, seconds=59))
    for at in (NOW + timedelta(hours=1), NOW - timedelta(seconds=1)):
        assert find(pages, "u", at) is None
    assert pages.found["outdated"] == 2


def kept(store: Any, found: str) -> float:
    name = "recommendation_page_lookups_total"
    value: float = store.client.app.state.parts.metrics.registry.get_sample_value(name, {"found": found})
    return value


@pytest.fixture
def read(store: Any) -> Any:
    """A store whose user's page was answered once."""
    store.interact(("ann", "g1", "played"), ("bob", "g2", "played"))
    store.look()
    store.call("GET", "/user/ann")
    return store


def test_a_kept_page_is_answered_with_its_tag_and_counted_as_any_other(read: Any) -> None:
    first = read.call("GET", "/user/ann")
    metrics = read.client.app.state.parts.metrics
    reads = metrics.totals().reads
    again = read.call("GET", "/user/ann")
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert metrics.totals().reads == reads + 1
    seen = read.call("GET", "/user/ann", headers={"If-None-Match": first.headers["ETag"]})
    assert (seen.status_code, seen.content) == (304, b"")
    head = read.call("HEAD", "/user/ann")
    assert (head.content, head.headers["ETag"]) == (b"", first.headers["ETag"])
    assert kept(read, "kept") == 4
    assert kept(read, "new") == 1


def test_what_is_kept_of_a_person_goes_with_them(read: Any) -> None:
    pages = read.client.app.state.parts.pages
    read.call("GET", "/user/bob")
    assert {key[0] for key in pages._pages} == {"ann", "bob"}
    read.call("DELETE", "/user/ann")
    assert {key[0] for key in pages._pages} == {"bob"}


def test_what_is_kept_of_a_visitor_goes_as_an_account_takes_the_history(read: Any) -> None:
    read.call("GET", "/user/bob")
    assert read.call("POST", "/user/ann/merge", json={"into": "bob"}).status_code == 200
    assert {key[0] for key in read.client.app.state.parts.pages._pages} == {"bob"}


@pytest.mark.parametrize("many_games", [0, 500])
def test_a_page_of_a_person_who_is_erased_while_it_is_made_is_not_kept(
    read: Any, monkeypatch: pytest.MonkeyPatch, many_games: int
) -> None:
    monkeypatch.setattr(lists, "MANY_OWN_GAMES", many_games)
    parts = read.client.app.state.parts
    ask = parts.reads.ask

    async def and_is_erased(user_id: str) -> Any:
        state = await ask(user_id)
        with parts.database.writing() as connection:
            erase_user(connection, user_id, parts.clock())
        parts.pages.forget(user_id)
        return state

    monkeypatch.setattr(parts.reads, "ask", and_is_erased)
    assert read.call("GET", "/user/ann").status_code == 200
    assert len(parts.pages) == 0


def test_the_page_of_a_user_of_many_games_is_made_once_beside_the_loop(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MANY_OWN_GAMES", 0)
    threads = set()
    made = lists._made

    def noted(*given: Any) -> Any:
        threads.add(threading.current_thread())
        return made(*given)

    monkeypatch.setattr(lists, "_made", noted)
    read.interact(("ann", "g3", "wishlisted"))
    assert read.client.portal.call(_several, read.client.app.state.parts, "ann") == 1
    assert kept(read, "kept") == 4
    assert {thread.name.partition("_")[0] for thread in threads} == {"asyncio"}


async def _several(parts: Any, user_id: str) -> int:
    """Read a user five times at once; return how many pages were made."""
    found = await asyncio.gather(*(lists._page_of(parts, user_id, PageRequest()) for _ in range(5)))
    return len({id(page) for page in found})


def test_as_many_events_as_before_an_erasure_by_another_replica_make_another_page(read: Any) -> None:
    parts = read.client.app.state.parts

    def first_after_owning(game: str) -> str:
        read.interact(("ann", game, "played"))
        (item,) = read.call("GET", "/user/ann", params={"limit": 1}).json()["items"]
        return str(item["game_id"])

    pins = [{"game_id": game, "score": score, "source": "editorial"} for game, score in (("g1", 2), ("g2", 1))]
    read.post("/batch", pins)
    read.call("DELETE", "/user/ann")
    assert first_after_owning("g1") == "g2"
    with parts.database.writing() as connection:
        erase_user(connection, "ann", parts.clock())
    assert first_after_owning("g2") == "g1"
