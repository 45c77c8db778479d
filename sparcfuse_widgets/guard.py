"""Whatever goes wrong in a callback becomes a sentence on the page and a line in the log file."""

from __future__ import annotations

import functools
import logging
import logging.handlers
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from sparc_fuse_core.errors import FuseError

__all__ = ["guarded", "log", "log_file", "problem_of"]

Call = TypeVar("Call", bound=Callable[..., Any])


def log_file() -> Path:
    """Where the dashboard writes what went wrong."""
    from platformdirs import user_log_path

    return user_log_path("sparc-fuse", appauthor=False) / "dashboard.log"


@functools.cache
def log() -> logging.Logger:
    """The dashboard's logger, writing to `log_file`; silent where that cannot be written."""
    logger = logging.getLogger("sparcfuse_widgets")
    logger.propagate = False
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            log_file(), maxBytes=1 << 20, backupCount=2, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def problem_of(error: BaseException) -> dict[str, str]:
    """An error as ``message`` and ``hint`` for the page; a foreign one is logged with its traceback."""
    if isinstance(error, FuseError):
        log().warning("%s", error.sentence())
        return {"message": str(error).rstrip(". ") + ".", "hint": error.hint}
    log().error("%s", error, exc_info=error)
    said = str(error) or type(error).__name__
    return {"message": f"Something went wrong: {said}", "hint": f"The details are in {log_file()}."}


def guarded(call: Call) -> Call:
    """A method of a model whose failures are set as its ``problem`` instead of being lost in the kernel."""

    @functools.wraps(call)
    def safe(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except Exception as error:  # the very purpose: nothing may fail unseen
            self.problem = problem_of(error)
            return None

    return cast(Call, safe)
