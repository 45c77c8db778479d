"""Parts of the NIfTI reader."""
