"""Announcements as entries of a Redis stream: field `event` holds the CloudEvents JSON, `key` the user."""

from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recommendation.announcements.announcement import CHANNEL, cloud_event
from recommendation.announcements.outbox import Waiting
from recommendation.errors import SettingsError
from recommendation_api.background.brokers.broker import SEND_SECONDS, Sent

_PROTOCOL = 2  # what every server speaks that has streams


class RedisStream:
    """Appends to the stream of one server, without a bound: what is trimmed there is the shop's decision."""

    def __init__(self, url: str) -> None:
        """
        Raises:
            SettingsError: the URL cannot be used.
        """
        try:
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=SEND_SECONDS / 2,
                socket_connect_timeout=SEND_SECONDS / 2,
                retry=Retry(NoBackoff(), 0),  # the caller tries again
                protocol=_PROTOCOL,
            )
        except (ValueError, TypeError) as error:
            # The URL may hold a password, and so may the message that quotes it.
            raise SettingsError(
                f"RECOMMENDATION_EVENTS_URL: cannot be used ({type(error).__name__}); "
                "write redis://user:password@host:6379/0, or rediss:// for TLS"
            ) from None

    def send(self, waiting: Sequence[Waiting]) -> Sent:
        """Append all of them or none, in one transaction of the server."""
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                for row in waiting:
                    fields: dict[Any, Any] = {"event": cloud_event(row.announcement, row.number)}
                    pipeline.xadd(CHANNEL, fields if row.user_id is None else {"key": row.user_id, **fields})
                pipeline.execute()
        except redis.RedisError as error:
            return Sent(frozenset(), f"{type(error).__name__}: {error}")
        return Sent(frozenset(row.number for row in waiting))

    def hurry(self) -> None:
        """Nothing to do: a round takes the time of two timeouts at most."""

    def close(self) -> None:
        """Let the connection go."""
        self._redis.close()
