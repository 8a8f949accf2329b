"""The door for language models: search, ask, get_item and list_libraries over MCP."""
