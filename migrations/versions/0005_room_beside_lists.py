"""Room beside lists

A list that is replaced stays in its page, so that no index changes with it and the place of the old one serves the
next. Pages that are full already get room as their lists are replaced.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE user_lists SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE user_lists RESET (fillfactor)")
