"""Parts of the Imaris reader."""
