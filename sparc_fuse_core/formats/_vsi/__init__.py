"""Parts of the reader of Olympus cellSens slides."""
