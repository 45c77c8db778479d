"""Parts of the Leica reader."""
