"""Items shown

By the time at which items were shown: those of long ago are forgotten. Feedback of before holds none; the index takes
about a second for some million rows, and feedback waits meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    of_these = sa.text("action = 'shown'")
    op.create_index("ix_feedback_shown", "feedback", ["occurred_at"], postgresql_where=of_these, sqlite_where=of_these)


def downgrade() -> None:
    op.drop_index("ix_feedback_shown", "feedback")
