"""The documentation's generated parts."""
