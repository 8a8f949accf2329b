"""CLIP-family models of OpenCLIP, run by PyTorch."""
