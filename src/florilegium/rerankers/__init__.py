"""Backends that read a query and a text together. Nothing is imported before it is asked for."""
