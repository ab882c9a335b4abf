"""Feedback of drops

By game and time where an item's source was a drop: what a release brought is counted from the index alone. What was
only shown is left out, as that is a hundred times as much.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    of_these = sa.text("source = 'drop' AND action <> 'shown'")
    op.create_index(
        "ix_feedback_drop",
        "feedback",
        ["game_id", "occurred_at", "action"],
        postgresql_where=of_these,
        sqlite_where=of_these,
    )


def downgrade() -> None:
    op.drop_index("ix_feedback_drop", "feedback")
