"""The reranker `cross_encoder`: a sequence classifier of pairs as an ONNX graph."""
