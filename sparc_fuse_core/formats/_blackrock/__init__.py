"""Parts of the Blackrock reader."""
