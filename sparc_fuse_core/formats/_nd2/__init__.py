"""Parts of the ND2 reader."""
