"""Parts of the reader of Neurodata Without Borders files."""
