"""Requests with an Idempotency-Key are done once and answered alike ever after."""

from datetime import timedelta

import pytest
from shop import START, at_once, everything
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.database.idempotency import Answer, KeyReusedError, RequestKey, claim, keep
from recommendation.interactions.event_ids import Novelty, claim_event_ids
from recommendation.operations.retention import forget_old


def key(body: bytes = b"body", holder: str = "shop", name: str = "k-1") -> RequestKey:
    return RequestKey.of(holder, "POST /interactions", name, b"/target", body)


def do(database: Database, request: RequestKey, answer: bytes) -> tuple[bytes, bool]:
    """Do a request whose work is to add one to a counter."""
    with database.writing() as connection:
        kept = claim(connection, request, START)
        if kept is not None:
            return kept.body, True
        connection.execute(text("UPDATE live_model SET training_fence = training_fence + 1"))
        keep(connection, request, Answer(200, answer, {"Location": "/x"}))
        return answer, False


def done(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(text("SELECT training_fence FROM live_model")).scalar_one())


def test_twins_at_the_same_moment_do_the_work_once_and_get_one_answer(database: Database) -> None:
    ended = at_once(*(lambda n=n: do(database, key(), b"answer of %d" % n) for n in range(8)))  # type: ignore[misc]
    assert [one.error for one in ended if one.error] == []
    assert len({one.value[0] for one in ended}) == 1
    assert sorted(one.value[1] for one in ended) == [False] + [True] * 7
    assert done(database) == 1


def test_a_twin_of_a_request_that_was_rolled_back_does_the_work(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        claim(connection, key(), START)
        raise ZeroDivisionError
    assert do(database, key(), b"second") == (b"second", False)


def test_the_same_key_with_another_body_is_refused(database: Database) -> None:
    do(database, key(b"one"), b"answer")
    with pytest.raises(KeyReusedError):
        do(database, key(b"two"), b"answer")


def test_the_same_key_of_another_holder_is_another_request(database: Database) -> None:
    do(database, key(), b"one")
    assert do(database, key(holder="other"), b"two") == (b"two", False)


def test_keys_and_event_ids_are_kept_as_digests_as_they_may_name_a_person(database: Database) -> None:
    do(database, key(name="ann-of-somewhere-1"), b"answer")
    with database.writing() as connection:
        assert claim_event_ids(connection, [("ann-of-somewhere-2", b"says")], START) == [Novelty.NEW]
    assert "ann-of-somewhere" not in everything(database)


def test_what_is_past_its_retention_is_forgotten_and_nothing_else(database: Database) -> None:
    with database.writing() as connection:
        claim(connection, key(), START)
        claim_event_ids(connection, [("old", b"1")], START)
        claim_event_ids(connection, [("young", b"1")], START + timedelta(days=2))
    with database.writing() as connection:
        gone = forget_old(connection, START + timedelta(days=8), timedelta(days=7), 3)
    assert (gone["event ids"], gone["answers"]) == (1, 1)
    with database.writing() as connection:
        verdicts = claim_event_ids(connection, [("old", b"1"), ("young", b"1")], START + timedelta(days=8))
    assert verdicts == [Novelty.NEW, Novelty.REPEAT]
