"""The whole store at a glance, and who changed what."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.catalogue.drop_store import current_drops
from recommendation.clock import rfc3339
from recommendation.operations.changes import Change, recent_changes
from recommendation.operations.facts import Facts, read_facts
from recommendation.operations.overview import troubles, usual_pause
from recommendation.operations.traffic import Counts, read_minutes, total_of
from recommendation.regeneration.store import last_full
from recommendation.rows import MAX_WHOLE
from recommendation_api.http.auth import needs
from recommendation_api.http.pages import json_response
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.overview import ChangesOut, OverviewOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.telemetry.metrics import LATENCY_BUCKETS

router = APIRouter(tags=["operations"], dependencies=[needs("admin")])


TOLD = timedelta(hours=1)


CHANGES_TOLD = 10


LATELY = timedelta(minutes=10)


@router.get("/overview", responses=answer(OverviewOut))
def get_overview(request: Request) -> Response:
    """
    Read the whole store at a glance.

    What is wrong and where it says what to do; model, trainings, lists and drops; what all replicas answered in the
    last hour (a minute is there when it is over); who changed what lately.
    """
    parts = parts_of(request)
    now = parts.clock()
    with parts.database.reading() as connection:
        return json_response(_overview(parts, connection, now))


def _overview(parts: Parts, connection: Connection, now: datetime) -> dict[str, Any]:
    facts, pause = read_facts(connection, now), usual_pause(connection)
    minutes = read_minutes(connection, now - TOLD)
    states = [drop.state(now) for drop in current_drops(connection, now)]
    full = last_full(connection)
    lately = total_of([counts for minute, counts in minutes if minute >= now - LATELY])
    return {
        "as_of": rfc3339(now),
        "troubles": [vars(one) for one in troubles(facts, lately, pause, parts.views.refused, now)],
        "live": _live(facts),
        "training": _training(facts, pause, parts.settings.training_suspended),
        "lists": {
            "catalogue_coverage": facts.catalogue_coverage,
            "user_coverage": facts.user_coverage,
            "regenerations_running": facts.regenerations_running,
            "last_finished_at": _moment(facts.regeneration_last_finished),
        },
        "drops": {"standing": states.count("standing"), "scheduled": states.count("scheduled")},
        "games": len(parts.views.view.catalogue.by_id),
        "users": full.users_targeted if full else None,
        "hour": _minute(now - TOLD, total_of([counts for _, counts in minutes])),
        "minutes": [_minute(minute, counts) for minute, counts in minutes],
        "changes": [change_document(change) for change in recent_changes(connection, CHANGES_TOLD)],
    }


@router.get("/changes", responses=answer(ChangesOut))
def get_changes(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int | None, Query(ge=1, le=MAX_WHOLE)] = None,
) -> Response:
    """Read who changed what with an admin's or the operator's key, newest first; kept for 90 days."""
    with parts_of(request).database.reading() as connection:
        found = recent_changes(connection, limit, before)
    following = found[-1].number if len(found) == limit else None
    return json_response({"changes": [change_document(change) for change in found], "before": following})


def change_document(change: Change) -> dict[str, Any]:
    """Return a change as it is answered."""
    return {**vars(change), "at": rfc3339(change.at)}


def _live(facts: Facts) -> dict[str, Any] | None:
    if facts.model_version is None:
        return None
    return {
        "version": facts.model_version,
        "created_at": _moment(facts.model_created_at),
        "users": facts.model_users,
        "games": facts.model_games,
        "pairs": facts.model_pairs,
    }


def _training(facts: Facts, pause: timedelta | None, suspended: bool) -> dict[str, Any]:
    return {
        "last_result": facts.training_last_result,
        "last_finished_at": _moment(facts.training_last_finished),
        "last_success_at": _moment(facts.training_last_success),
        "queued_at": _moment(facts.training_queued_at),
        "started_at": _moment(facts.training_started_at),
        "suspended": suspended,
        "usual_pause_seconds": pause.total_seconds() if pause else None,
    }


def _minute(minute: datetime, counts: Counts) -> dict[str, Any]:
    return {
        "minute": rfc3339(minute),
        "reads": counts.reads,
        "fallback": counts.fallback,
        "events": counts.events,
        "failed": counts.failed,
        "feedback": dict(counts.feedback),
        "p99_seconds": counts.percentile(0.99, LATENCY_BUCKETS),
    }


def _moment(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
