"""Parts of the reader of OpenCMISS-Zinc EX files."""
