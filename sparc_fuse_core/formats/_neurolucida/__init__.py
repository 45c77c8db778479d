"""Parts of the reader of Neurolucida tracings."""
