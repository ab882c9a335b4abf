"""Model versions in the store: the row is the truth, files are its copies."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from recommendation.announcements.announcement import MODEL_PROMOTED, announce
from recommendation.announcements.outbox import put
from recommendation.database.dialects.large_values import parts_of
from recommendation.database.tables import live_model, model_artifacts, models, user_lists
from recommendation.database.versions import next_number
from recommendation.engine.artifact import load
from recommendation.engine.model import LiveModel
from recommendation.errors import InvalidInput, ModelMissing
from recommendation.experiments.experiment import versions_of
from recommendation.experiments.store import unended


@dataclass(frozen=True)
class ModelRow:
    """What is recorded of a model version."""

    version: str
    number: int
    run_id: str
    created_at: datetime
    sha256: str
    format: int
    bytes: int
    users: int
    games: int
    pairs: int
    components: int
    settings: dict[str, Any]
    quality: dict[str, Any]


class FencedOff(Exception):
    """Another trainer has taken the training lock since; what this one made must not be published."""


def live_version(connection: Connection) -> str | None:
    """Return the version that is live."""
    return connection.execute(select(live_model.c.version)).scalar()


def lock_live(connection: Connection) -> str | None:
    """
    Lock the row of the live model until the transaction ends, and return the version that is live.

    What lets versions go takes this lock, and so does what needs one to stay.
    """
    return connection.execute(select(live_model.c.version).with_for_update()).scalar()


def model_row(connection: Connection, version: str) -> ModelRow | None:
    """Read what is recorded of a version."""
    row = connection.execute(select(models).where(models.c.version == version)).mappings().first()
    return None if row is None else ModelRow(**row)


def live_row(connection: Connection) -> ModelRow | None:
    """Read what is recorded of the live version."""
    version = live_version(connection)
    return None if version is None else model_row(connection, version)


def artifact(connection: Connection, version: str, most_bytes: int | None = None) -> bytearray:
    """
    Read the bytes of a version, part by part into one place.

    Args:
        most_bytes: nothing is read far beyond so many, for bytes that will be refused.

    Raises:
        ModelMissing: it is not kept (any more).
    """
    data = bytearray()
    for part in parts_of(connection, model_artifacts.c.artifact, model_artifacts.c.version, version):
        data += part
        if most_bytes is not None and len(data) > most_bytes:
            break
    if not data:
        raise ModelMissing(f"model {version} is not kept any more")
    return data


def take_fence(connection: Connection) -> int:
    """Take the number that says who holds the training lock; to be called under it."""
    fence = next_number(connection)
    connection.execute(update(live_model).values(training_fence=fence))
    return fence


def next_model_number(connection: Connection) -> int:
    """
    Return the number that the next model to go live has: v1 is the first, also where earlier candidates were rejected.

    The newest model is always kept, so no number comes twice. To be called under the training lock; a trainer that
    lost the lock may have the number of another, and is fenced off when it publishes.
    """
    return int(connection.execute(select(func.max(models.c.number))).scalar() or 0) + 1


def publish(connection: Connection, row: ModelRow, data: bytes, fence: int) -> None:
    """
    Record a version with its bytes and make it live, in the caller's transaction.

    Raises:
        FencedOff: this trainer was overtaken while it was held up.
    """
    held = connection.execute(select(live_model.c.training_fence).with_for_update()).scalar_one()
    if held != fence:
        raise FencedOff(f"another training began under {held} while this one ran under {fence}")
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise ValueError("the bytes are not those of the row")
    connection.execute(insert(models).values(vars(row)))
    connection.execute(insert(model_artifacts).values(version=row.version, artifact=data))
    connection.execute(update(live_model).values(version=row.version))


def promote(connection: Connection, version: str, now: datetime) -> str | None:
    """
    Make a kept version live, and return the one that was.

    Raises:
        InvalidInput: there is no such version.
    """
    before = lock_live(connection)
    if connection.execute(select(models.c.version).where(models.c.version == version)).first() is None:
        raise InvalidInput(f"there is no model {version}; see GET /models for those that are kept")
    if version != before:
        connection.execute(update(live_model).values(version=version))
        data = {"model_version": version, "before": before, "promoted_at": now}
        put(connection, [announce(MODEL_PROMOTED, version, now, data)])
    return before


def all_models(connection: Connection) -> list[ModelRow]:
    """Read every kept version, newest first."""
    rows = connection.execute(select(models).order_by(models.c.number.desc())).mappings()
    return [ModelRow(**row) for row in rows]


def list_shares(connection: Connection) -> dict[str, float]:
    """Return the share of personal lists that each version made."""
    query = (
        select(user_lists.c.model_version, func.count())
        .where(user_lists.c.source == "cf", user_lists.c.model_version.is_not(None))
        .group_by(user_lists.c.model_version)
    )
    counts = {version: count for version, count in connection.execute(query) if version is not None}
    total = sum(counts.values())
    return {version: count / total for version, count in counts.items()}


def prune_models(connection: Connection, kept: int, now: datetime) -> list[str]:
    """
    Let go of all but the newest versions, the live one, and those that experiments name which run or wait.

    Returns:
        The versions that went.
    """
    live = lock_live(connection)
    named = versions_of(unended(connection, now))
    versions = [row.version for row in all_models(connection)]
    newest = [version for version in versions if version != live][: kept - 1]
    gone = [version for version in versions if version != live and version not in newest and version not in named]
    connection.execute(delete(model_artifacts).where(model_artifacts.c.version.in_(gone)))
    connection.execute(delete(models).where(models.c.version.in_(gone)))
    return gone


def load_model(connection: Connection, version: str, max_bytes: int) -> LiveModel:
    """
    Read a version's bytes and check them against its row before anything is unpickled.

    Raises:
        ModelMissing: it is not kept.
        ArtifactRefused: the bytes are not those that were published, or hold something other than arrays.
    """
    row = model_row(connection, version)
    if row is None:
        raise ModelMissing(f"model {version} is not kept any more")
    model, _ = load(artifact(connection, version, max_bytes), row.sha256, max_bytes)
    return LiveModel(version, row.created_at, model)
