"""Encoders: texts and pictures in, embeddings out."""
