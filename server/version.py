"""The version of this product, the newest of CHANGELOG.md."""

__version__ = "0.1.0"
