"""Deleted games

A game that was deleted keeps its row: the number that stands for it in stored lists must never mean another game.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

identity = sa.String().with_variant(sa.String(collation="C"), "postgresql")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("games", sa.Column("deleted_at", moment, nullable=True))
    op.add_column("games", sa.Column("history_gone_to", identity, nullable=True))


def downgrade() -> None:
    op.drop_column("games", "history_gone_to")
    op.drop_column("games", "deleted_at")
