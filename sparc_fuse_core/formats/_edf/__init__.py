"""Parts of the EDF reader."""
