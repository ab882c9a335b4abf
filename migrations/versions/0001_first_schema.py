"""The first schema

The tables of interactions, catalogue, lists, models, runs and regenerations.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "event_ids",
        sa.Column("event_id", identity, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_event_ids"),
    )
    op.create_index("ix_event_ids_received_at", "event_ids", ["received_at"], unique=False)

    op.create_table(
        "feedback",
        sa.Column("feedback_id", big, autoincrement=True, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("game_id", identity, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.Column("occurred_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"], unique=False)

    op.create_table(
        "games",
        sa.Column("game_key", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("game_id", identity, nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("similar_to", sa.JSON(), nullable=True),
        sa.Column("released_at", moment, nullable=True),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("game_key", name="pk_games"),
        sa.UniqueConstraint("game_id", name="uq_games_game_id"),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("holder", "route", "key", name="pk_idempotent_answers"),
    )
    op.create_index("ix_idempotent_answers_answered_at", "idempotent_answers", ["answered_at"], unique=False)

    op.create_table(
        "import_chunks",
        sa.Column("import_digest", sa.String(length=64), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("rows_accepted", big, nullable=False),
        sa.Column("rows_rejected", big, nullable=False),
        sa.Column("committed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("import_digest", "chunk", name="pk_import_chunks"),
    )
    op.create_table(
        "models",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("number", big, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("bytes", big, nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("games", sa.Integer(), nullable=False),
        sa.Column("pairs", big, nullable=False),
        sa.Column("components", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_models"),
        sa.UniqueConstraint("number", name="uq_models_number"),
    )
    op.create_table(
        "popular_games",
        sa.Column("game_id", identity, nullable=False),
        sa.Column("users", big, nullable=False),
        sa.PrimaryKeyConstraint("game_id", name="pk_popular_games"),
    )
    op.create_table(
        "regenerations",
        sa.Column("regeneration_id", sa.Text(), nullable=False),
        sa.Column("generation", big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("drop_uid", sa.Text(), nullable=True),
        sa.Column("audience", sa.JSON(), nullable=True),
        sa.Column("active_since", moment, nullable=True),
        sa.Column("shards", sa.Integer(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("users_targeted", sa.Integer(), nullable=False),
        sa.Column("catalogue_coverage_before", sa.Float(), nullable=True),
        sa.Column("failed_shards", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("regeneration_id", name="pk_regenerations"),
        sa.UniqueConstraint("generation", name="uq_regenerations_generation"),
    )
    op.create_index("ix_regenerations_state", "regenerations", ["state"], unique=False)

    op.create_table(
        "snapshots",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", big, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_snapshots"),
    )
    op.create_table(
        "training_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("number", big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("queued_at", moment, nullable=False),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("users", sa.Integer(), nullable=True),
        sa.Column("games", sa.Integer(), nullable=True),
        sa.Column("pairs", big, nullable=True),
        sa.Column("components", sa.Integer(), nullable=True),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_training_runs"),
        sa.UniqueConstraint("active", name="uq_training_runs_active"),
        sa.UniqueConstraint("number", name="uq_training_runs_number"),
    )
    op.create_index("ix_training_runs_state_number", "training_runs", ["state", "number"], unique=False)

    op.create_table(
        "user_game_interactions",
        sa.Column("user_id", identity, nullable=False),
        sa.Column("game_id", identity, nullable=False),
        sa.Column("score_millionths", big, nullable=False),
        sa.Column("events", big, nullable=False),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.Column("owned_at", moment, nullable=True),
        sa.Column("dismissed", sa.Boolean(), nullable=False),
        sa.Column("dismissed_at", moment, nullable=True),
        sa.Column("first_event_at", moment, nullable=False),
        sa.Column("last_event_at", moment, nullable=False),
        sa.CheckConstraint(
            "score_millionths BETWEEN 0 AND 4000000000000000000",
            name=op.f("ck_user_game_interactions_score_in_range"),
        ),
        sa.PrimaryKeyConstraint("user_id", "game_id", name="pk_user_game_interactions"),
    )
    op.create_table(
        "user_lists",
        sa.Column("user_id", identity, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("generation", big, nullable=False),
        sa.Column("generated_at", moment, nullable=False),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.Column("events_seen", big, nullable=True),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "source", name="pk_user_lists"),
    )
    op.create_table(
        "live_model",
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("changed_at", moment, nullable=True),
        sa.Column("training_fence", big, nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_live_model_single_row")),
        sa.ForeignKeyConstraint(["version"], ["models.version"], name="fk_live_model_version"),
        sa.PrimaryKeyConstraint("one", name="pk_live_model"),
    )
    op.create_table(
        "model_artifacts",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("artifact", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["models.version"], name="fk_model_artifacts_version", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version", name="pk_model_artifacts"),
    )
    op.create_table(
        "regeneration_shards",
        sa.Column("regeneration_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("after_user", identity, nullable=False),
        sa.Column("users_regenerated", sa.Integer(), nullable=False),
        sa.Column("users_personal", sa.Integer(), nullable=False),
        sa.Column("exposure", sa.LargeBinary(), nullable=True),
        sa.Column("release_seen", sa.LargeBinary(), nullable=True),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["regeneration_id"],
            ["regenerations.regeneration_id"],
            name="fk_regeneration_shards_regeneration_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("regeneration_id", "shard", name="pk_regeneration_shards"),
    )
    op.execute("INSERT INTO live_model (one, training_fence) VALUES (1, 0)")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE generations")
    else:
        counters = op.create_table(
            "counters", sa.Column("name", sa.Text(), primary_key=True), sa.Column("value", big, nullable=False)
        )
        op.bulk_insert(counters, [{"name": "generations", "value": 0}])


def downgrade() -> None:
    op.drop_table("regeneration_shards")
    op.drop_table("model_artifacts")
    op.drop_table("live_model")
    op.drop_table("user_lists")
    op.drop_table("user_game_interactions")
    op.drop_table("training_runs")
    op.drop_table("snapshots")
    op.drop_table("regenerations")
    op.drop_table("popular_games")
    op.drop_table("models")
    op.drop_table("import_chunks")
    op.drop_table("idempotent_answers")
    op.drop_table("games")
    op.drop_table("feedback")
    op.drop_table("event_ids")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP SEQUENCE generations")
    else:
        op.drop_table("counters")
