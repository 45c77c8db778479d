"""Parts of the BrainVision reader."""
