"""The reranker `served`: any server that has `/rerank`."""
