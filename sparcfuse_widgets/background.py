"""Long work off the kernel's thread, with its outcome brought back onto it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from sparc_fuse_core.errors import Cancelled

__all__ = ["Background"]

Work = Callable[[threading.Event], Any]


class Background:
    """One piece of work at a time on a thread of its own; newer work replaces older work.

    The outcome is delivered on the event loop of the thread that made this object, which in a kernel is the
    one that handles messages; without a loop it is delivered on the worker.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._delivering = threading.RLock()
        self._pending: tuple[Work, Callable[[Any], None], Callable[[BaseException], None]] | None = None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._generation = 0
        self._undelivered = 0
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def start(self, work: Work, done: Callable[[Any], None], failed: Callable[[BaseException], None]) -> None:
        """Run ``work(cancel)``, then ``done(result)`` or ``failed(error)`` unless newer work came."""
        with self._changed:
            self._cancel.set()
            self._generation += 1
            self._pending = (work, done, failed)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"fuse-{self._name}", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Ask running work to stop and forget what it would have brought."""
        with self._changed:
            self._cancel.set()
            self._generation += 1
            self._pending = None

    def deliver(self, call: Callable[..., None], *args: Any) -> None:
        """Call on the kernel's thread; for partial results out of running work."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(call, *args)
        else:
            with self._delivering:
                call(*args)

    def wait(self, timeout: float = 30.0) -> bool:
        """Wait until nothing runs and everything is delivered; False when that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None and not self._undelivered, timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._pending is None:
                    self._thread = None
                    self._changed.notify_all()
                    return
                (work, done, failed), self._pending = self._pending, None
                self._cancel = cancel = threading.Event()
                generation = self._generation
            outcome: tuple[Callable[[Any], None], Any] | None
            try:
                outcome = (done, work(cancel))
            except Cancelled:
                outcome = None
            except BaseException as error:  # a thread has nobody above it to tell
                outcome = (failed, error)
            if outcome is not None:
                with self._changed:
                    self._undelivered += 1
                self.deliver(self._bring, generation, *outcome)

    def _bring(self, generation: int, call: Callable[[Any], None], result: Any) -> None:
        try:
            if generation == self._generation:
                call(result)
        finally:
            with self._changed:
                self._undelivered -= 1
                self._changed.notify_all()
