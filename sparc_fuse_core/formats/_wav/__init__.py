"""Parts of the WAVE reader."""
