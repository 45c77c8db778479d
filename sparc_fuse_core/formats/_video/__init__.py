"""Parts of the video reader."""
