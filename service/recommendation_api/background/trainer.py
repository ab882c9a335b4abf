"""Heavy work outside the serving process: training is handed to a child or left to the cluster."""

import asyncio
import contextlib
import logging
import os
import sys

from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.database.locks import training_lock_is_free
from recommendation.errors import StoreUnavailable
from recommendation.settings import Settings
from recommendation.training import runs
from recommendation_api.background.waiting import happened_within

log = logging.getLogger(__name__)


LOOK_EVERY_SECONDS = 5.0


STOP_SECONDS = 5.0


class Trainer:
    """Starts runs where that is this process's business, and closes those that died."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._children: set[asyncio.subprocess.Process] = set()
        self._regenerations: dict[str, asyncio.Task[int]] = {}
        self._wake = asyncio.Event()
        self._queued = asyncio.Event()

    def wake(self) -> None:
        """Say that a run was queued."""
        self._wake.set()
        self._queued.set()
        self._queued = asyncio.Event()

    async def wait_for_news(self, seconds: float) -> None:
        """Return when this process queued a run, or after so many seconds: another replica may have."""
        await happened_within(self._queued, seconds)

    async def watch(self) -> None:
        """Look after runs until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await happened_within(self._wake, LOOK_EVERY_SECONDS)
                self._wake.clear()
                try:
                    run_id = await asyncio.to_thread(self._look)
                    if run_id is not None and self._settings.training == "local":
                        await self._train(run_id)
                except StoreUnavailable:
                    continue
                except Exception:
                    # A fault of ours must not end the watch: no run would ever be started or closed again.
                    log.exception("training runs were not looked after; the next look comes in seconds")

    def regenerate(self, regeneration_id: str) -> None:
        """Carry out a regeneration in a process of its own, one at a time of the same; one that is through stays so."""
        if regeneration_id in self._regenerations:
            return
        task = asyncio.create_task(self._run_child("recommendation.regeneration", regeneration_id))
        self._regenerations[regeneration_id] = task
        task.add_done_callback(lambda _task: self._regenerations.pop(regeneration_id, None))

    async def close(self) -> None:
        """Stop children that are still at work; what they committed stays, and a training goes back into the queue."""
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        for child in list(self._children):
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()

    def _look(self) -> str | None:
        """Close runs that died or were never started; return the one that waits."""
        with self._database.reading() as connection:
            run = runs.active_run(connection)
        if run is None:
            return None
        if run.state == "running":
            if not training_lock_is_free(self._database):
                return None
            with self._database.writing() as connection:
                closed = runs.close_lost_run(connection, self._clock(), run)
            if closed is not None:
                log.warning("a training run died", extra={"run_id": closed})
            return None
        with self._database.writing() as connection:
            closed = runs.close_unclaimed_run(connection, self._clock())
        return run.run_id if closed is None else None

    async def _train(self, run_id: str) -> None:
        code = await self._run_child("recommendation_jobs", "train", "--regenerate", "--run", run_id)
        if code != 0:
            await asyncio.to_thread(self._close_failed, run_id, code)

    async def _run_child(self, module: str, *arguments: str) -> int:
        environment = os.environ | {
            "RECOMMENDATION_DATABASE_URL": self._settings.database_url,
            "RECOMMENDATION_MODEL_PATH": str(self._settings.model_path),
            "RECOMMENDATION_EVENTS_URL": self._settings.events_url or "",
        }
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, env=environment)
        self._children.add(child)
        # Where this is cancelled, the child stays known, and is stopped by `close`.
        code = await child.wait()
        self._children.discard(child)
        return code

    def _close_failed(self, run_id: str, code: int) -> None:
        """
        Close the run of a child that ended without doing so; one that ended in order is closed already.

        While any process trains, this run may be its run: another replica starts a child for a queued run too.
        """
        with contextlib.suppress(StoreUnavailable):
            if not training_lock_is_free(self._database):
                return
            with self._database.writing() as connection:
                detail = f"the training process ended with code {code}; its log says why"
                runs.finish_run(connection, run_id, "failed", self._clock(), reason=runs.LOST, detail=detail)
