"""Where a server keeps what is its own: chats, and the key of sessions."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from florilegium.config_sections import ServerConfig


def server_folder(config: ServerConfig) -> Path:
    """Return the folder that is configured, or else one of the user's data."""
    if config.folder:
        return Path(config.folder).expanduser().absolute()
    return Path(platformdirs.user_data_dir("florilegium")) / "server"
