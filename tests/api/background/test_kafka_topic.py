"""Kafka's own client against librdkafka's mock cluster, over real sockets: keys, envelope, order, being away."""

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from brokers_of_tests import by_user, ingested
from confluent_kafka import Consumer, Producer, TopicPartition
from shop import event

from recommendation.announcements.announcement import CHANNEL
from recommendation.database.database import Database
from recommendation.errors import SettingsError
from recommendation_api.background.brokers.kafka_topic import KafkaTopic, producer_settings
from recommendation_api.background.brokers.opening import open_broker
from recommendation_api.background.relay import send_round

GOOD = "kafka://a:9092,b:9092?security.protocol=SASL_SSL&sasl.mechanism=PLAIN&sasl.username=u&sasl.password=p%26w"


class Cluster:
    """A mock cluster inside librdkafka (`test.mock.num.brokers`); it listens on loopback until it is dropped."""

    def __init__(self) -> None:
        settings: dict[str, Any] = {"test.mock.num.brokers": 2, "bootstrap.servers": "mock", "log_level": 2}
        self._host: Any = Producer(settings)
        found = self._host.list_topics(timeout=30).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in found)

    def records(self, count: int) -> list[Any]:
        """Read the first records of every partition, each partition in order."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "tests", "log_level": 2})
        partitions = consumer.list_topics(CHANNEL, timeout=30).topics[CHANNEL].partitions
        consumer.assign([TopicPartition(CHANNEL, number, 0) for number in partitions])
        found: list[Any] = []
        while len(found) < count:
            found += consumer.consume(count - len(found), timeout=30)
        consumer.close()
        return found

    def stop(self) -> None:
        """End it."""
        self._host = None
        gc.collect()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    opened = Cluster()
    yield opened
    opened.stop()


def ignore(_type: str) -> None:
    """Count nothing."""


def test_a_record_has_the_user_as_key_and_a_cloud_event_in_structured_mode(
    cluster: Cluster, announcing: Database
) -> None:
    ingested(announcing, [event("änn", "g1", event_id="e-1"), event("bob", "g2")])
    broker = open_broker(f"kafka://{cluster.servers}")
    assert send_round(announcing, broker, ignore).sent == 2
    records = {record.key().decode(): record for record in cluster.records(2)}
    assert set(records) == {"änn", "bob"}
    assert records["änn"].headers() == [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    told = json.loads(records["änn"].value())
    assert (told["specversion"], told["type"], told["subject"]) == ("1.0", "interactions.accepted", "änn")


def test_each_user_stays_on_one_partition_and_in_order(cluster: Cluster, announcing: Database) -> None:
    for number in range(12):
        ingested(announcing, [event(f"u{user}", f"g{number}") for user in range(5)])
    broker = KafkaTopic(producer_settings(f"kafka://{cluster.servers}"))
    assert send_round(announcing, broker, ignore).sent == 60
    records = cluster.records(60)
    homes = {(record.key(), record.partition()) for record in records}
    assert len(homes) == 5
    told = by_user([json.loads(record.value()) for record in records])
    for own in told.values():
        assert [one["data"]["interactions"][0]["game_id"] for one in own] == [f"g{number}" for number in range(12)]


def test_while_the_cluster_is_away_rows_stay_and_the_reason_is_told(cluster: Cluster, announcing: Database) -> None:
    reached = KafkaTopic(producer_settings(f"kafka://{cluster.servers}"))
    broker = KafkaTopic(producer_settings(f"kafka://{cluster.servers}"), seconds=1.0)
    ingested(announcing, [event("ann", "g1")])
    assert send_round(announcing, reached, ignore).sent == 1
    cluster.stop()
    ingested(announcing, [event("ann", "g2")])
    away = send_round(announcing, broker, ignore)
    assert away.sent == 0
    assert away.refused is not None
    assert "timed out" in away.refused
    back = Cluster()
    again = KafkaTopic(producer_settings(f"kafka://{back.servers}"))
    assert send_round(announcing, again, ignore).sent == 1
    assert json.loads(back.records(1)[0].value())["data"]["interactions"][0]["game_id"] == "g2"
    back.stop()


def test_a_relay_that_waits_for_a_cluster_that_is_away_can_be_stopped(announcing: Database) -> None:
    broker = KafkaTopic(producer_settings("kafka://127.0.0.1:1"), seconds=300.0)
    ingested(announcing, [event("ann", "g1")])
    broker.hurry()
    assert send_round(announcing, broker, ignore).sent == 0
    broker.close()


def test_security_is_given_behind_the_question_mark() -> None:
    assert producer_settings(GOOD) == {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "p&w",
    }
    open_broker(GOOD)


@pytest.mark.parametrize(
    "url",
    [
        "kafka://",
        "kafka://user:hunter2@host:9092",
        "kafka://host:9092/hunter2",
        "kafka://host:9092?hunter2",
        "kafka://host:9092?acks=0",
        "kafka://host:9092?enable.idempotence=false",
        "kafka://host:9092?security.protocol=hunter2",
        "kafka://host:9092?sasl.nothing=hunter2",
    ],
)
def test_an_unusable_url_or_one_that_would_break_a_promise_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        open_broker(url)
    assert str(refused.value).startswith("RECOMMENDATION_EVENTS_URL: ")
    assert "hunter2" not in str(refused.value)
