"""What the page says of an error: by its code in Chinese, and in the words of the error itself."""

from __future__ import annotations

from typing import Final, Protocol

from florilegium.server.page.texts import Say

CHINESE: Final[dict[str, str]] = {
    "backend_unknown": "设置中的组件名称不存在。",
    "body_unsupported": "请求的格式不受支持。",
    "chat_failed": "语言模型出错。",
    "chat_rejected": "语言模型的服务拒绝了请求。",
    "chat_timeout": "语言模型未能及时回应。",
    "chat_unavailable": "无法连接语言模型。",
    "config_invalid": "服务器的设置有误。",
    "context_exceeded": "问题和来源太长，语言模型无法处理。",
    "encoder_failed": "编码模型出错。",
    "extra_missing": "服务器缺少所需的组件。",
    "index_locked": "另一项收录正在进行，请稍后再试。",
    "index_mismatch": "索引与当前设置的模型不符，需要重新收录。",
    "index_missing": "尚未收录任何内容。",
    "index_outdated": "索引的格式已过时，需要重新收录。",
    "input_unsupported": "语言模型不能处理这样的输入，例如图片。",
    "internal": "服务器发生意外错误。",
    "item_not_found": "该内容已不在索引中。",
    "not_found": "没有找到。",
    "query_invalid": "无法这样检索或提问。",
    "removal_refused": "要从索引移除的文件太多，已保留索引。",
    "request_forbidden": "不允许这样做。",
    "request_invalid": "请求无效。",
    "request_refused": "请求被拒绝。",
    "request_too_large": "发送的内容太大。",
    "request_too_slow": "用时过长，已中止。",
    "request_unauthenticated": "请先登录。",
    "rerank_failed": "重排模型出错。",
    "rerank_rejected": "重排模型的服务拒绝了请求。",
    "rerank_timeout": "重排模型未能及时回应。",
    "rerank_unavailable": "无法连接重排模型。",
    "server_busy": "服务器正忙，请稍后再试。",
    "source_failed": "无法读取文件。",
    "source_gone": "文件已不存在，或已被更换；请重新收录。",
    "source_too_large": "文件太大，超过了限制。",
    "source_too_slow": "读取文件的时间太长。",
    "source_unreadable": "无法读取文件：文件可能已损坏，或没有读取权限。",
    "source_unsupported": "不支持这种文件。",
    "storage_full": "磁盘空间不足。",
    "store_failed": "索引的存储出错。",
    "weights_missing": "缺少模型文件。",
    "worker_failed": "处理文件的进程出错。",
}
"""What people who read Chinese are told first, by the code of an error."""


class Told(Protocol):
    """An error, or the file that it failed."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


def error_lines(say: Say, error: Told) -> list[str]:
    """Return the sentences that tell of an error, the most telling one first."""
    return lines_of(say, code=error.code, message=error.message, hint=error.hint)


def lines_of(say: Say, *, code: str, message: str, hint: str | None) -> list[str]:
    """Return what `error_lines` does, of an error that is kept by its parts.

    Its own words stay as a detail: they name the thing, and say what to do about it.
    """
    known = CHINESE.get(code) if say.language == "zh" else None
    return [line for line in (known, message, hint) if line]
