"""CLIP-family models as ONNX graphs, without PyTorch."""
