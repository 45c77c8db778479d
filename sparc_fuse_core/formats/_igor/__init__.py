"""Parts of the Igor reader."""
