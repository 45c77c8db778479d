"""Parts that the readers of surface meshes share."""
