"""Parts of the LabChart reader."""
