"""Parts of the AcqKnowledge reader."""
