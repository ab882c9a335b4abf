"""A real Redis: what arrives, in which order, and what happens while it is away."""

import json

import pytest
from brokers_of_tests import by_user, ingested
from redis_server import RedisServer
from shop import event

from recommendation.announcements.announcement import CHANNEL
from recommendation.database.database import Database
from recommendation.errors import SettingsError
from recommendation_api.background.brokers.opening import open_broker
from recommendation_api.background.brokers.redis_stream import RedisStream
from recommendation_api.background.relay import send_round

pytestmark = pytest.mark.xdist_group("redis")


def entries(server: RedisServer) -> list[dict[str, str]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(CHANNEL)]  # type: ignore[union-attr]


def ignore(_type: str) -> None:
    """Count nothing."""


def test_an_entry_has_the_user_as_key_and_a_cloud_event(redis_server: RedisServer, announcing: Database) -> None:
    ingested(announcing, [event("ann", "g1", event_id="e-1")])
    broker = open_broker(redis_server.url)
    assert send_round(announcing, broker, ignore).sent == 1
    broker.close()
    (entry,) = entries(redis_server)
    assert entry["key"] == "ann"
    told = json.loads(entry["event"])
    assert (told["specversion"], told["type"], told["subject"]) == ("1.0", "interactions.accepted", "ann")
    assert told["data"]["interactions"][0]["event_id"] == "e-1"


def test_while_it_is_away_rows_stay_and_then_everything_arrives_in_order(
    redis_server: RedisServer, announcing: Database
) -> None:
    broker = open_broker(redis_server.url)
    ingested(announcing, [event("ann", "g0")])
    assert send_round(announcing, broker, ignore).sent == 1
    redis_server.stop()
    for number in range(1, 40):
        ingested(announcing, [event(user, f"g{number}") for user in ("ann", "bob")])
    away = send_round(announcing, broker, ignore)
    assert (away.sent, away.refused is None) == (0, False)
    redis_server.start()
    while send_round(announcing, broker, ignore).sent:
        pass
    broker.close()
    told = by_user([json.loads(entry["event"]) for entry in entries(redis_server)])
    games = {user: [one["data"]["interactions"][0]["game_id"] for one in own] for user, own in told.items()}
    assert games == {"ann": [f"g{number}" for number in range(40)], "bob": [f"g{number}" for number in range(1, 40)]}


def test_a_server_that_is_full_or_refuses_the_password_is_told_without_the_password(
    redis_server: RedisServer, announcing: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ingested(announcing, [event("ann", "g1")])
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
    full = send_round(announcing, RedisStream(redis_server.url), ignore)
    wrong = send_round(announcing, RedisStream(redis_server.url.replace("hunter2", "swordfish")), ignore)
    assert (full.sent, wrong.sent) == (0, 0)
    assert full.refused is not None
    assert wrong.refused is not None
    assert "hunter2" not in full.refused + wrong.refused + caplog.text
    assert "swordfish" not in full.refused + wrong.refused + caplog.text


@pytest.mark.parametrize("url", ["redis://:hunter2@host:port/0", "redis://:hunter2@host/0?socket_timeout=soon"])
def test_an_unusable_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        open_broker(url)
    assert str(refused.value).startswith("RECOMMENDATION_EVENTS_URL: ")
    assert "hunter2" not in str(refused.value)
