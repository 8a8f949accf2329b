"""The chat model `openai`: any server that speaks OpenAI's chat completions."""
