"""Parts of the reader of spreadsheets."""
