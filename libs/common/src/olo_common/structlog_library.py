"""structlog, without rich.

Where that is installed, as it is beside the command line, structlog loads it, so as to draw exceptions in colours. None
gets so far: a line of the log says where an exception came from, see `log_fields`. It would be the larger part of what
structlog costs to load.
"""

from __future__ import annotations

from olo_common.spared import spared

with spared("rich"):
    import structlog
    from structlog.contextvars import bound_contextvars
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

__all__ = ["EventDict", "FilteringBoundLogger", "Processor", "bound_contextvars", "structlog"]
