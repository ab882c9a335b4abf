"""A statement that fails is logged without the values that it was about."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from recommendation.database.database import Database


def test_an_error_of_the_database_does_not_name_a_person(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(IntegrityError) as caught, database.writing() as connection:
        connection.execute(text("INSERT INTO erasures (user_digest) VALUES (:user)"), {"user": "secret-user"})
    database.close()
    assert "secret-user" not in str(caught.value)
