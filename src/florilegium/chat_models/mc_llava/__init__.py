"""MC-LLaVA-3b, the chat model of the article, run by PyTorch from its published weights."""
