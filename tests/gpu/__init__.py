"""Models on a graphics card against the same models on the processor (`pytest -m gpu`)."""
