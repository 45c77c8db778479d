"""From named arrays to streams: shared by MATLAB and HDF5."""
