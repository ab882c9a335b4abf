"""Owners of popular games

Who of the users that were counted own a game, and over how many days they were counted. Rows that a release writes
that does not know the columns have none; they are counted again within a minute.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "popular_games", sa.Column("owners", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.add_column("popular_games", sa.Column("days", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("popular_games", "days")
    op.drop_column("popular_games", "owners")
