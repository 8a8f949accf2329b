"""From models of PyTorch to folders of ONNX graphs. Needs packages that only exporting needs."""
