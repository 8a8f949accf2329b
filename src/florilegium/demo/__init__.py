"""A small library to try things on: articles of our own, and pictures of two Python packages."""
