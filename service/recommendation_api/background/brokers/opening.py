"""From a URL to a broker."""

from recommendation.errors import SettingsError
from recommendation_api.background.brokers.broker import Broker

_PACKAGES = {"kafka": "confluent_kafka", "redis": "redis"}


def open_broker(url: str) -> Broker:
    """
    Return the broker of a URL; nothing is connected to yet.

    Raises:
        SettingsError: the URL is unusable, or what it needs is not installed.
    """
    extra = "kafka" if url.startswith("kafka://") else "redis"
    try:
        if extra == "kafka":
            from recommendation_api.background.brokers.kafka_topic import KafkaTopic, producer_settings

            return KafkaTopic(producer_settings(url))
        from recommendation_api.background.brokers.redis_stream import RedisStream

        return RedisStream(url)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != _PACKAGES[extra]:
            raise
        raise SettingsError(
            f"RECOMMENDATION_EVENTS_URL: {extra} needs the extra '{extra}', which is not installed here; "
            f"build the image with EXTRAS=service,{extra}, or unset it"
        ) from None
