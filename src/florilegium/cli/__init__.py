"""The command line. Knows Library and the terminal; nothing in the package knows it."""
