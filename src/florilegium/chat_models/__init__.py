"""Chat models: messages in, a streamed reply out."""
