"""Loaders: one file of the library folder in, items out."""
