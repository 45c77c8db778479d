"""Parts of the reader of ImageJ's regions of interest."""
