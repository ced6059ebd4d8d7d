"""Speed, measured against floors in one run: `make bench`."""
