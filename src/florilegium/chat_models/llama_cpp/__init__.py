"""Chat models in this process, by llama.cpp: one GGUF file, and another if it sees."""
