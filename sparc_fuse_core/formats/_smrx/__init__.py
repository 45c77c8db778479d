"""Parts of the SON64 reader."""
