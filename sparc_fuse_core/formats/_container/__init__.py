"""Containers that describe themselves: shared by MATLAB and HDF5."""
