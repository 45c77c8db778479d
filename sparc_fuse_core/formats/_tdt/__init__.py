"""Parts of the TDT reader."""
