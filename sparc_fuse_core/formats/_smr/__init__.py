"""Parts of the SON32 reader."""
