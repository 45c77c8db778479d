"""Side-by-side measurements: ours and a peer's in the same run, as ratios."""
