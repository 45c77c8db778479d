"""Parts of the JPEG 2000 reader."""
