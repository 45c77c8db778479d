"""DatasetCard: what a dataset is, and the choice of its version."""

from __future__ import annotations

from typing import Any

from sparcfuse_widgets.panel import Panel, module, style
from sparcfuse_widgets.state import DatasetModel

__all__ = ["DatasetCard"]


class DatasetCard(Panel, DatasetModel):
    """What a dataset is: title, number, version, DOI, size, licence; ``files`` are its primary files."""

    _esm = module("dataset.js")
    _css = style("dataset")

    def __init__(
        self,
        dataset_id: str | int | None = None,
        *,
        catalogue: str | None = None,
        version: int | None = None,
        **v: Any,
    ) -> None:
        super().__init__(**v)
        if dataset_id is not None:
            from sparc_fuse_core.catalogue import open_catalogue

            self.load(open_catalogue(catalogue), str(dataset_id), version)
