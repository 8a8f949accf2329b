"""Open models that see, run in this process by PyTorch and transformers."""
