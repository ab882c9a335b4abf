"""Answers to requests that bring rows."""

from pydantic import BaseModel, Field


class RejectedOut(BaseModel):
    """A row that was not taken."""

    index: int
    code: str
    detail: str


class BatchOut(BaseModel):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[RejectedOut]


class ListBatchOut(BatchOut):
    """What became of recommendations of the shop's own."""

    new_games: list[str] = Field(description="games that were unknown before this request and are known now")
