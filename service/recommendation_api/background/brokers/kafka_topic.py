"""
Announcements as records of a Kafka topic: key = user, value = CloudEvents 1.0 JSON in structured mode.

Settings are librdkafka's (https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md); the binding is
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from confluent_kafka import KafkaException, Producer

from recommendation.announcements.announcement import CHANNEL, cloud_event
from recommendation.announcements.outbox import Waiting
from recommendation.errors import SettingsError
from recommendation.ids import is_printable_ascii
from recommendation_api.background.brokers.broker import SEND_SECONDS, Sent

log = logging.getLogger(__name__)


_SLICE_SECONDS = 0.2


_HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


_GIVEN = ("security.protocol", "sasl.", "ssl.", "client.id", "compression.type", "broker.address.family")
"""What a URL may set, by prefix; everything else decides on what is promised."""


_PROMISED = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "log_level": 2,  # what matters is told with what was refused; a broker that is away fills a log otherwise
    "partitioner": "murmur2_random",  # the Java clients' own, so that topics keyed by user can be joined
}


def producer_settings(url: str) -> dict[str, Any]:
    """
    Read `kafka://host:9092,host:9092?security.protocol=SASL_SSL&sasl.username=…`.

    Raises:
        SettingsError: with a message that repeats no value of the URL.
    """
    name = "RECOMMENDATION_EVENTS_URL"
    parts = urlsplit(url)
    if not parts.netloc or "@" in parts.netloc or parts.path.strip("/") or parts.fragment:
        raise SettingsError(f"{name}: write kafka://host:9092,host:9092, with user and password as ?sasl.username=…")
    try:
        given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True))
    except ValueError:
        raise SettingsError(f"{name}: behind ? write setting=value&setting=value") from None
    for setting in given:
        if not setting.startswith(_GIVEN) or not is_printable_ascii(setting):
            raise SettingsError(f"{name}: a setting behind ? may start with {', '.join(_GIVEN)}")
    return {**given, "bootstrap.servers": parts.netloc}


class KafkaTopic:
    """Produces to the topic; a producer that failed is replaced by a new one."""

    def __init__(self, settings: Mapping[str, Any], seconds: float = SEND_SECONDS) -> None:
        """
        Args:
            settings: librdkafka's.
            seconds: how long it is waited for acknowledgements.

        Raises:
            SettingsError: librdkafka does not take the settings.
        """
        self._seconds = seconds
        self._trouble = ""
        own = {"message.timeout.ms": int(seconds * 1000), "error_cb": self._say_trouble}
        self._settings = {**settings, **_PROMISED, **own}
        self._producer: Any = None
        self._is_hurried = False
        try:
            Producer({**self._settings, "bootstrap.servers": ""})  # connects to no broker
        except KafkaException as error:
            reason = error.args[0].str() if set(settings) <= {"bootstrap.servers"} else error.args[0].name()
            raise SettingsError(f"RECOMMENDATION_EVENTS_URL: Kafka's client does not take it ({reason})") from None

    def send(self, waiting: Sequence[Waiting]) -> Sent:
        """Produce all of them and wait; those that failed are not tried again by themselves."""
        if self._producer is None:
            self._producer = Producer(self._settings, logger=log)
        self._trouble = ""
        acknowledged: set[int] = set()
        refused: list[str] = []
        for row in waiting:
            self._produce(row, acknowledged, refused)
        self._wait()
        if len(acknowledged) < len(waiting):
            self._give_up()
            reasons = [*refused[:1], self._trouble] if refused or self._trouble else ["no acknowledgement in time"]
            return Sent(frozenset(acknowledged), "; ".join(filter(None, reasons)))
        return Sent(frozenset(acknowledged))

    def hurry(self) -> None:
        """Stop waiting within a slice."""
        self._is_hurried = True

    def close(self) -> None:
        """Drop the producer."""
        if self._producer is not None:
            self._give_up()

    def _produce(self, row: Waiting, acknowledged: set[int], refused: list[str]) -> None:
        def reported(error: Any, _message: object) -> None:
            if error is None:
                acknowledged.add(row.number)
            else:
                refused.append(f"{error.name()}: {error.str()}")

        value = cloud_event(row.announcement, row.number)
        key = None if row.user_id is None else row.user_id.encode()
        try:
            self._producer.produce(CHANNEL, value, key, headers=_HEADERS, on_delivery=reported)
        except (KafkaException, BufferError) as error:
            refused.append(f"{len(value)} bytes of {row.announcement.type}: {error}")

    def _say_trouble(self, error: Any) -> None:
        """Remember why the cluster cannot be reached; librdkafka goes on trying."""
        self._trouble = f"{error.name()}: {error.str()}"

    def _wait(self) -> None:
        deadline = time.monotonic() + self._seconds + 1.0
        while self._producer.flush(_SLICE_SECONDS) and not self._is_hurried and time.monotonic() < deadline:
            pass

    def _give_up(self) -> None:
        """Drop the producer and what it still holds: it is sent again from the outbox, in order."""
        self._producer.purge()
        self._producer.flush(_SLICE_SECONDS)
        self._producer = None
