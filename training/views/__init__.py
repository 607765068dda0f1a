"""The researchers' pages, one noun a file."""
