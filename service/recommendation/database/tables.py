"""
The tables. Alembic makes and alters them; this is what queries are written against, and a test holds the two together.

Scores of interactions are integers of millionths. Numbers that order lists, regenerations and erasures come from one
sequence (`database.versions.next_number`); their columns are called `generation`, as they were in the first release.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from recommendation.weights import MAX_SCORE


class UtcDateTime(TypeDecorator[datetime]):
    """A time with a zone going in, UTC coming out; SQLite keeps no zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: their zone is not known."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive time {value}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware time."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def id_type() -> String:
    """Return the type of an id column: ordered by UTF-8 bytes, as SQLite orders text anyway."""
    return String().with_variant(String(collation="C"), "postgresql")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


big = BigInteger().with_variant(Integer(), "sqlite")


games = Table(
    "games",
    metadata,
    Column("game_key", Integer, primary_key=True, autoincrement=True),
    Column("game_id", id_type(), nullable=False, unique=True),
    Column("title", Text),
    Column("image_url", Text),
    Column("tags", JSON),
    Column("similar_to", JSON),
    Column("released_at", UtcDateTime),
    Column("available", Boolean, nullable=False, default=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("history_gone_to", id_type()),
)
"""The catalogue. `game_key` is the small number that stands for the game inside stored lists: a deleted game keeps its
row, so that the number never stands for another. `history_gone_to` is the user up to whom its history was erased."""


user_game_interactions = Table(
    "user_game_interactions",
    metadata,
    Column("user_id", id_type(), primary_key=True),
    Column("game_id", id_type(), primary_key=True),
    Column("score_millionths", big, nullable=False),
    Column("events", big, nullable=False),
    Column("owned", Boolean, nullable=False),
    Column("owned_at", UtcDateTime),
    Column("dismissed", Boolean, nullable=False),
    Column("dismissed_at", UtcDateTime),
    Column("first_event_at", UtcDateTime, nullable=False),
    Column("last_event_at", UtcDateTime, nullable=False),
    CheckConstraint(f"score_millionths BETWEEN 0 AND {MAX_SCORE}", name="score_in_range"),
)
"""One row per (user, game). The sum of a user's `events` tells whether a list was made from all of them."""


event_ids = Table(
    "event_ids",
    metadata,
    Column("event_id", id_type(), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    Column("user_id", id_type()),
    Column("game_id", id_type()),
    Column("event_type", Text),
    Column("score_millionths", big),
    Column("occurred_at", UtcDateTime),
    Column("marks_before", Text),
    Column("taken_back_at", UtcDateTime),
    Index("ix_event_ids_user_id_game_id", "user_id", "game_id"),
)
"""Ids of events taken in the retention window, with a digest of what they said, and what it takes to take one back
(`interactions.taking_back`): nothing of it where an earlier release, or a file, brought the event, or where its user
was erased."""


idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False, index=True),
)
"""What a request with an `Idempotency-Key` was answered, written in its own transaction."""


_IS_SHOWN = "action = 'shown'"
TO_DROP = "source = 'drop' AND action <> 'shown'"
"""Written out, as an index of some rows only is taken for a query that says so in the same words."""


feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", big, primary_key=True, autoincrement=True),
    Column("user_id", id_type(), nullable=False),
    Column("game_id", id_type(), nullable=False),
    Column("action", Text, nullable=False),
    Column("source", Text),
    Column("model_version", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("event_id", id_type()),
    Column("variants", Text),
    Index("ix_feedback_user_id_feedback_id", "user_id", "feedback_id"),
    Index("ix_feedback_shown", "occurred_at", postgresql_where=text(_IS_SHOWN), sqlite_where=text(_IS_SHOWN)),
    Index(
        "ix_feedback_drop",
        "game_id",
        "occurred_at",
        "action",
        postgresql_where=text(TO_DROP),
        sqlite_where=text(TO_DROP),
    ),
)
"""What users did with a list, one row per feedback; `event_id` as in `event_ids`, where it has one. `variants` are
those that the user had then, as `experiment/variant`, parted by commas; NULL: none."""


user_lists = Table(
    "user_lists",
    metadata,
    Column("user_id", id_type(), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("generation", big, key="number", nullable=False),
    Column("generated_at", UtcDateTime, nullable=False),
    Column("model_version", Text),
    Column("events_seen", big),
    Column("items", LargeBinary, nullable=False),
    postgresql_with={"fillfactor": 50},
)
"""One row per (user, source); user '' is everyone. `cf` items are packed numbers, others JSON (`lists.stored`)."""


models = Table(
    "models",
    metadata,
    Column("version", Text, primary_key=True),
    Column("number", big, nullable=False, unique=True),
    Column("run_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("format", Integer, nullable=False),
    Column("bytes", big, nullable=False),
    Column("users", Integer, nullable=False),
    Column("games", Integer, nullable=False),
    Column("pairs", big, nullable=False),
    Column("components", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("quality", JSON, nullable=False),
)
"""Published model versions; the row is the truth and files are its copies."""


model_artifacts = Table(
    "model_artifacts",
    metadata,
    Column("version", Text, ForeignKey("models.version", ondelete="CASCADE"), primary_key=True),
    Column("artifact", LargeBinary, nullable=False),
)
"""The bytes of each kept version, apart from `models` so that listing versions stays light."""


live_model = Table(
    "live_model",
    metadata,
    Column("one", Integer, primary_key=True, default=1),
    Column("version", Text, ForeignKey("models.version")),
    Column("changed_at", UtcDateTime),  # only release 0.1.0 writes it; docs/upgrading.md says when it goes
    Column("training_fence", big, nullable=False, default=0),
    CheckConstraint("one = 1", name="single_row"),
)
"""Which version is live, and the number that the last holder of the training lock took."""


training_runs = Table(
    "training_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("number", big, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("active", Integer),
    Column("reason", Text),
    Column("detail", Text),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("stop_requested_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("duration_seconds", Float),
    Column("users", Integer),
    Column("games", Integer),
    Column("pairs", big),
    Column("components", Integer),
    Column("quality", JSON),
    Column("model_version", Text),
    UniqueConstraint("active"),
    Index("ix_training_runs_state_number", "state", "number"),
)
"""One row per training. `active` is 1 while queued or running and NULL after: at most one row holds it."""


regenerations = Table(
    "regenerations",
    metadata,
    Column("regeneration_id", Text, primary_key=True),
    Column("generation", big, key="number", nullable=False, unique=True),
    Column("state", Text, nullable=False, index=True),
    Column("drop_uid", Text),
    Column("active_since", UtcDateTime),
    Column("shards", Integer, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("users_targeted", Integer, nullable=False),
    Column("catalogue_coverage_before", Float),
    Column("games_available", Integer),
    Column("failed_shards", JSON),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("everyone", Boolean),
    Column("worked_on_by", Text),
)
"""New lists for many users. `number` is taken before anything is read."""


regeneration_shards = Table(
    "regeneration_shards",
    metadata,
    Column("regeneration_id", Text, ForeignKey("regenerations.regeneration_id", ondelete="CASCADE"), primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("after_user", id_type(), nullable=False),
    Column("users_regenerated", Integer, nullable=False, default=0),
    Column("users_personal", Integer, nullable=False, default=0),
    Column("users_overtaken", Integer),
    Column("exposure", LargeBinary),
    Column("release_seen", LargeBinary),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("reached", LargeBinary),
)
"""Progress of each shard: where to resume, how many users are done by which time, which games stand in a top ten."""


import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_digest", String(64), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("rows_accepted", big, nullable=False),
    Column("rows_rejected", big, nullable=False),
    Column("committed_at", UtcDateTime, nullable=False),
)
"""
Chunks of a file that were counted, keyed by the digest of file and mapping.

Rows whose `chunk` is below -1 are keyed by the digest of an imported row instead: by them the same rows are known in
another file. Their `chunk` tells one import from another.
"""


popular_games = Table(
    "popular_games",
    metadata,
    Column("game_id", id_type(), primary_key=True),
    Column("users", big, nullable=False),
    Column("owners", big),
    Column("days", Integer),
)
"""Games with their users and the owners among them, counted as a whole from time to time: users with an event in the
last `days`, or of all time."""


versions = Table(
    "snapshots",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", big, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("seconds", Float),
)
"""Version of each thing that readers keep in memory (`catalogue`, `popular`, `everyone`), so that they can ask."""


drops = Table(
    "drops",
    metadata,
    Column("uid", id_type(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("generation", big, nullable=False),
    Column("games", JSON, nullable=False),
    Column("released_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("first_position", Integer, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("given", JSON),
    Column("holdout_percent", Integer),
    Column("measured_from", UtcDateTime),
)
"""Releases that the operator made known: which games, and the places they get in lists until they end. `given` is what
the drop says of each game, and whether it was known before (`catalogue.drop_store`). Who is in a holdout is a hash,
and stands in no table."""


experiments = Table(
    "experiments",
    metadata,
    Column("name", Text, primary_key=True),
    Column("layer", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("buckets", JSON, nullable=False),
    Column("salt", Text, nullable=False),
    Column("variants", JSON, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime),
    Column("description", Text),
    Column("outcome", Text, nullable=False),
    Column("window_days", Integer, nullable=False),
    Column("before_days", Integer, nullable=False),
    Column("smallest_effect_percent", Integer, nullable=False),
    Column("exposure", Text, nullable=False, server_default="shown"),
)
"""What is compared, among whom, and when (`experiments.experiment`). Who is in it is a hash, and stands in no table."""


exposures = Table(
    "exposures",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("user_id", id_type(), primary_key=True, index=True),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
)
"""Who was answered a list first, and when, for experiments that count lists that were read; `begun_at` tells namesakes
apart. What belongs to a deleted experiment goes with the next clearing (`experiments.first_reads`)."""


sample_ratios = Table(
    "sample_ratios",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", id_type(), primary_key=True),
    Column("users", big, nullable=False),
    Column("p_value", Float, nullable=False),
    Column("mismatch", Boolean, nullable=False),
    Column("counted_at", UtcDateTime, nullable=False),
)
"""Whether each running experiment, and each holdout of a standing drop, lacks users of a variant: `kind` is
`experiment` or `drop`, `name` its name or uid. Counted as a whole after each training."""


erasures = Table(
    "erasures",
    metadata,
    Column("user_digest", LargeBinary, primary_key=True),
    Column("generation", big, key="number", nullable=False),
    Column("erased_at", UtcDateTime, nullable=False, index=True),
)
"""Who was erased lately, as a digest: work that began before must not write them again. `erased_at` is the time up to
which no event counts: that of the erasure, or of the newest event that was erased where its clock ran ahead."""


merges = Table(
    "merges",
    metadata,
    Column("user_id", id_type(), primary_key=True),
    Column("into_user_id", id_type(), nullable=False, index=True),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("erased_at", UtcDateTime),
)
"""Visitors whose history became an account's, until the account is erased. `erased_at` is what `erasures` said of the
visitor before: it says `interactions.merges.MERGED` of them since."""


outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", big, primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False),
    Column("type", Text, nullable=False),
    Column("user_id", id_type(), index=True),
    Column("subject", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""What was announced and no broker has yet; a row goes once its broker has acknowledged it."""


changes = Table(
    "changes",
    metadata,
    Column("change_id", big, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("holder", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("digest", LargeBinary),
    sqlite_autoincrement=True,
)
"""Who changed what, and when: calls with an admin's or the operator's key. Ids of people are never among them."""


minute_counts = Table(
    "minute_counts",
    metadata,
    Column("minute", UtcDateTime, primary_key=True),
    Column("replica", Text, primary_key=True),
    Column("counts", JSON, nullable=False),
)
"""What each API process answered in a minute (`operations.traffic`), so that every replica tells of all of them."""
