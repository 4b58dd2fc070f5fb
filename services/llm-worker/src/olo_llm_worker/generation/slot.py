"""Where the scheduler is found once the model is loaded."""

from __future__ import annotations

from olo_llm_worker.errors import ModelUnavailable
from olo_llm_worker.generation.scheduler import Scheduler


class ModelSlot:
    """Empty while the model loads: calls are then refused, and may come again."""

    def __init__(self) -> None:
        self._scheduler: Scheduler | None = None

    def fill(self, scheduler: Scheduler) -> None:
        """From now on requests are served."""
        self._scheduler = scheduler

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler.

        Raises:
            ModelUnavailable: The model is still being loaded.
        """
        if self._scheduler is None:
            raise ModelUnavailable("the model is still being loaded", retry_after=1.0)
        return self._scheduler
