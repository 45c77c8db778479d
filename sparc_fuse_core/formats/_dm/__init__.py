"""Parts of the DigitalMicrograph reader."""
