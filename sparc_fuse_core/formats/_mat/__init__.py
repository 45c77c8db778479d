"""Parts of the MATLAB reader."""
