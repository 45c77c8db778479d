"""The two complaints that every container reader makes: a damaged file, and one that asks for too much."""

from __future__ import annotations

from sparc_fuse_core.errors import FormatError, LimitExceeded, Truncated

FETCH_AGAIN = "Fetch the file again, or ask its authors for an intact copy."


def damaged(name: str, what: str) -> FormatError:
    """The error for file ``name`` that breaks a rule of its format; ``what`` says which."""
    return FormatError(f"{name}: {what}; the file is damaged", hint=FETCH_AGAIN)


def cut_short(name: str, what: str) -> Truncated:
    """The error for file ``name`` that lacks bytes that it promises."""
    return Truncated(f"{name}: {what}; the file is cut short or damaged", hint=FETCH_AGAIN)


def too_much(name: str, what: str) -> LimitExceeded:
    """The error for file ``name`` that asks for more than is sane."""
    return LimitExceeded(
        f"{name}: {what}; it is damaged or too large for one output",
        hint="Save the parts that matter in files of their own, or fetch it again.",
    )
