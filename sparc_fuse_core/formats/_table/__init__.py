"""Parts of the reader of text tables."""
