"""What SON32 and SON64 share."""
