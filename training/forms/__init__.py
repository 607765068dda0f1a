"""Forms of the training side's pages, one noun a file."""
