"""Forms, one noun a file: they check shape; what may happen is for the rules."""
