"""Taking events back

What an event with an id said, for as long as its id is remembered. Rows of before stay as they are, and cannot be taken
back. The index takes about a second for a million remembered ids; events with ids wait meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

COLUMNS = {
    "user_id": identity,
    "game_id": identity,
    "event_type": sa.Text(),
    "score_millionths": big,
    "occurred_at": moment,
    "marks_before": sa.Text(),
    "taken_back_at": moment,
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("event_ids", sa.Column(name, kind, nullable=True))
    op.create_index("ix_event_ids_user_id_game_id", "event_ids", ["user_id", "game_id"])
    op.add_column("feedback", sa.Column("event_id", identity, nullable=True))


def downgrade() -> None:
    op.drop_column("feedback", "event_id")
    op.drop_index("ix_event_ids_user_id_game_id", "event_ids")
    for name in reversed(COLUMNS):
        op.drop_column("event_ids", name)
