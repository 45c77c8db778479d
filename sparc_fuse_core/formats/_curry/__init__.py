"""Parts of the Curry reader."""
