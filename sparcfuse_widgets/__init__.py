"""The dashboard of SPARC FUSE and its panels; each panel also works alone in a notebook.

>>> from sparcfuse_widgets import Dashboard, SignalPreview, ImagePreview  # doctest: +SKIP
>>> Dashboard()  # doctest: +SKIP
>>> SignalPreview("recording.abf")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparcfuse_widgets.convert import ConvertPanel
    from sparcfuse_widgets.dashboard import Dashboard
    from sparcfuse_widgets.dataset import DatasetCard
    from sparcfuse_widgets.image import ImagePreview
    from sparcfuse_widgets.preview import FilePreview
    from sparcfuse_widgets.results import ResultBrowser
    from sparcfuse_widgets.search import DatasetSearch
    from sparcfuse_widgets.signals import SignalPreview
    from sparcfuse_widgets.tree import FileTree

_HOMES = {
    "ConvertPanel": "convert",
    "Dashboard": "dashboard",
    "DatasetCard": "dataset",
    "DatasetSearch": "search",
    "FilePreview": "preview",
    "FileTree": "tree",
    "ImagePreview": "image",
    "ResultBrowser": "results",
    "SignalPreview": "signals",
}

__all__ = [
    "ConvertPanel",
    "Dashboard",
    "DatasetCard",
    "DatasetSearch",
    "FilePreview",
    "FileTree",
    "ImagePreview",
    "ResultBrowser",
    "SignalPreview",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
