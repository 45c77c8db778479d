"""Parts of the ABF reader."""
