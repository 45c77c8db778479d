"""Parts of the reader of OME-Zarr images."""
