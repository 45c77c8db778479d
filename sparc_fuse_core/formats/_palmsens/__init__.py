"""Parts of the reader of PalmSens sessions."""
