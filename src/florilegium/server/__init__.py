"""Serves libraries to browsers and programs: `create_app` makes the ASGI application."""
