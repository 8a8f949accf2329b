"""The web page: chat, search and library, composed of NiceGUI's elements in the server's app."""
