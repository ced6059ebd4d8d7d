"""The things' side of the network."""
