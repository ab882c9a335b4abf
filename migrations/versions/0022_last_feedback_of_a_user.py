"""Last feedback of a user

By user and number in the place of by user alone: a read that looks at the games shown last reads so many entries, however
much feedback of the user there is. It takes about a second for some million rows, and feedback waits meanwhile.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_feedback_user_id_feedback_id", "feedback", ["user_id", "feedback_id"])
    op.drop_index("ix_feedback_user_id", "feedback")


def downgrade() -> None:
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])
    op.drop_index("ix_feedback_user_id_feedback_id", "feedback")
