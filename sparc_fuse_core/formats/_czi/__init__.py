"""Parts of the CZI reader."""
