"""Every error that SPARC FUSE raises on purpose.

::

    FuseError                     .hint: what you can do      .source: the file or address it is about
    ├── NotSupported              no reader fits this file
    ├── FormatError (ValueError)  the file breaks the rules of its own format
    │   ├── Truncated             it promises bytes that it does not have
    │   ├── LimitExceeded         it asks for more memory, items or nesting than is sane
    │   └── Ambiguous             it can be read in several ways and does not say which is right
    ├── MissingDependency (ImportError)
    ├── RemoteError (OSError)     a catalogue or a download failed
    │   ├── NotFound
    │   ├── RateLimited           .retry_after: seconds, when the server said so
    │   ├── Corrupted             the bytes that came are not the bytes that were promised
    │   └── Unreachable
    ├── WriteError (OSError)      the output could not be written
    │   ├── DiskFull
    │   ├── Busy                  another process is writing this very output
    │   ├── Exists
    │   └── Mismatch              what is on disk is not what was written, or not what the source says
    └── Cancelled                 the user stopped the work

Messages read ``<file>: <what was promised>, <what is there>; <what it means>``; what to do is the ``hint``.
"""

from __future__ import annotations

__all__ = [
    "Ambiguous",
    "Busy",
    "Cancelled",
    "Corrupted",
    "DiskFull",
    "Exists",
    "FormatError",
    "FuseError",
    "LimitExceeded",
    "Mismatch",
    "MissingDependency",
    "NotFound",
    "NotSupported",
    "RateLimited",
    "RemoteError",
    "Truncated",
    "Unreachable",
    "WriteError",
]


class FuseError(Exception):
    """The root of all errors of SPARC FUSE.

    Parameters
    ----------
    message
        One sentence that names the file and what is wrong with it.
    hint
        One sentence that says what the user can do about it; empty when there is nothing to do.
    source
        File name or address that the error is about.
    """

    def __init__(self, message: str, *, hint: str = "", source: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.source = source

    def sentence(self) -> str:
        """Message and hint as one line, fit for a terminal or a page."""
        text = str(self).rstrip(". ")
        return f"{text}. {self.hint}" if self.hint else text


class NotSupported(FuseError):
    """No reader fits this file."""


class FormatError(FuseError, ValueError):
    """The file breaks the rules of its own format."""


class Truncated(FormatError):
    """The file promises bytes that it does not have."""


class LimitExceeded(FormatError):
    """The file asks for more memory, items or nesting than is sane."""


class Ambiguous(FormatError):
    """The file can be read in several ways and does not say which one is right."""


class MissingDependency(FuseError, ImportError):
    """A reader needs a package that is not installed."""


class RemoteError(FuseError, OSError):
    """A catalogue or a download failed."""


class NotFound(RemoteError):
    """The dataset, version or file does not exist there."""


class RateLimited(RemoteError):
    """The server asks us to slow down."""

    def __init__(
        self, message: str, *, hint: str = "", source: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.retry_after = retry_after


class Corrupted(RemoteError):
    """The bytes that came are not the bytes that were promised."""


class Unreachable(RemoteError):
    """The server cannot be reached, or keeps failing."""


class WriteError(FuseError, OSError):
    """The output could not be written."""


class DiskFull(WriteError):
    """No space is left where the output goes."""


class Busy(WriteError):
    """Another process is writing this very output."""


class Exists(WriteError):
    """The output is there already and was not to be overwritten."""


class Mismatch(WriteError):
    """What is on disk differs from what was written, or from its source."""


class Cancelled(FuseError):
    """The user stopped the work."""
