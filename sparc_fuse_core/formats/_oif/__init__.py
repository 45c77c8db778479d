"""Parts of the Olympus FluoView reader."""
