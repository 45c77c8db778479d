"""Parts of the TIFF reader."""
