"""Parts of the Intan reader."""
