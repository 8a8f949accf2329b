"""The words of the log-in page, in English and Chinese."""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["en", "zh"]

WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "log_in": "Log in",
        "log_out": "Log out",
        "name": "Name",
        "password": "Password",
        "key": "Key",
        "sure": "Do you want to log out?",
        "stay": "Back",
        "wrong_password": "This name and this password do not belong together.",
        "wrong_key": "This is not the key of this server.",
        "too_many": "There were too many attempts. Try again in {seconds} seconds.",
        "far_too_many": "There were too many attempts. Try again in {minutes} minutes.",
        "busy": "Too many people are logging in. Try again in a moment.",
        "old": "This page was open for too long. Please try again.",
        "closed": "The accounts of this server cannot be read, so it lets nobody in. Its log says "
        "what is wrong.",
    },
    "zh": {
        "log_in": "登录",
        "log_out": "退出登录",
        "name": "用户名",
        "password": "密码",
        "key": "密钥",
        "sure": "要退出登录吗？",
        "stay": "返回",
        "wrong_password": "用户名或密码不正确。",
        "wrong_key": "密钥不正确。",
        "too_many": "尝试次数过多，请在 {seconds} 秒后重试。",
        "far_too_many": "尝试次数过多，请在 {minutes} 分钟后重试。",
        "busy": "登录人数过多，请稍后再试。",
        "old": "页面已过期，请重试。",
        "closed": "服务器无法读取账户，因此暂时不能登录。原因见服务器日志。",
    },
}


def language_of(accept_language: str) -> Language:
    """Return the language of a page for a browser that prefers these."""
    return "zh" if accept_language.strip().lower().startswith("zh") else "en"
