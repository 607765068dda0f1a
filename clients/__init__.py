"""Programs' side of the interface: each file stands alone and is copied to where it is used."""
