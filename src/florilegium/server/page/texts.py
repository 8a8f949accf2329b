"""Every sentence of the page in English and Chinese, and which language a browser asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "zh"]

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "answer.by_known": ("This picture is in the library", "这张图片就在资料库中"),
    "answer.by_model": ("chosen by the chat model", "由语言模型选定"),
    "answer.by_vote": ("by the nearest pictures", "由最相近的图片推断"),
    "answer.closest": ("Closest, but not enough to answer from", "最接近的内容，但不足以回答"),
    "answer.confidence": ("Confidence", "置信度"),
    "answer.copied": ("Copied", "已复制"),
    "answer.copy": ("Copy the answer", "复制回答"),
    "answer.done": ("The answer is complete.", "回答完毕。"),
    "answer.ends_early": (
        "The chat model failed, so the answer ends early",
        "语言模型出错，回答提前结束",
    ),
    "answer.explain": ("How this came about", "回答依据"),
    "answer.failed": ("This could not be answered", "无法回答"),
    "answer.hits": ("What was found", "检索到的内容"),
    "answer.model": ("Answered by", "回答模型"),
    "answer.none_fits": ("None of the candidates fits", "候选名称都不符合"),
    "answer.notes": ("Notes", "说明"),
    "answer.picture_shows": ("The picture shows", "图片内容"),
    "answer.reasons": ("Why", "理由"),
    "answer.refused": (
        "Nothing in this library answers that.",
        "资料库中没有能回答这个问题的内容。",
    ),
    "answer.searched": ("Searched for", "检索词"),
    "answer.sources": ("Sources", "来源"),
    "answer.stands_in": (
        "The chat model failed, so the answer is quoted from the sources",
        "语言模型出错，以下内容摘自来源",
    ),
    "answer.stopped": ("Stopped.", "已停止。"),
    "answer.thinking": ("Looking through the library…", "正在查阅资料库……"),
    "answer.writing": ("Writing…", "正在作答……"),
    "app.by_day": ("Light", "浅色"),
    "app.by_night": ("Dark", "深色"),
    "app.by_system": ("Like the system", "跟随系统"),
    "app.chat": ("Chat", "对话"),
    "app.close": ("Close", "关闭"),
    "app.language": ("中文", "English"),
    "app.library": ("Library", "资料库"),
    "app.log_out": ("Log out", "退出登录"),
    "app.menu": ("Chats", "对话列表"),
    "app.no_library": ("There is no library here for you.", "这里没有您可以使用的资料库。"),
    "app.no_library_hint": (
        "Who runs the server can give you one with `florilegium users change`.",
        "服务器管理员可以用 `florilegium users change` 授权。",
    ),
    "app.other_library": (
        "The library of this address is not here for you. This is {title}.",
        "这个地址里的资料库不存在，或者您无权使用。现在显示的是 {title}。",
    ),
    "app.search": ("Search", "检索"),
    "app.theme": ("Appearance", "外观"),
    "app.user": ("Signed in as {name}", "当前用户：{name}"),
    "ask.add_picture": ("Add a picture, or paste or drop one", "添加图片，也可粘贴或拖放"),
    "ask.drop": ("Drop the picture here", "将图片拖放到这里"),
    "ask.example": ("Tell me about “{title}”", "介绍一下“{title}”"),
    "ask.greeting": ("What would you like to know?", "您想了解什么？"),
    "ask.intro": (
        "Ask in your own words, or show a picture. Every answer names its sources.",
        "用您自己的话提问，或附上一张图片。每个回答都会注明来源。",
    ),
    "ask.no_picture": ("{name} is no picture.", "{name} 不是图片。"),
    "ask.picture": ("Your picture", "您的图片"),
    "ask.picture_in_play": (
        "Your picture stays in play for what you ask next.",
        "后续提问仍会参考这张图片。",
    ),
    "ask.placeholder": ("Ask a question", "输入问题"),
    "ask.remove_picture": ("Remove the picture", "移除图片"),
    "ask.send": ("Send", "发送"),
    "ask.stop": ("Stop", "停止"),
    "ask.too_large": (
        "{name} has more than {megabytes} MB.",
        "{name} 超过 {megabytes} MB。",
    ),
    "ask.without_words": ("What is this?", "这是什么？"),
    "chats.delete": ("Delete this chat", "删除此对话"),
    "chats.delete_sure": (
        "Delete “{title}”? It cannot be brought back.",
        "删除“{title}”？删除后无法恢复。",
    ),
    "chats.earlier": ("Show earlier questions", "显示更早的提问"),
    "chats.empty": ("Your chats will be kept here.", "您的对话会保存在这里。"),
    "chats.full": (
        "This chat is full: it holds {count} questions. Begin a new one.",
        "此对话已满（{count} 个提问），请开始新对话。",
    ),
    "chats.new": ("New chat", "新对话"),
    "chats.no": ("Cancel", "取消"),
    "chats.rename": ("Rename this chat", "重命名此对话"),
    "chats.save": ("Save", "保存"),
    "chats.title": ("Title", "标题"),
    "chats.yes": ("Delete", "删除"),
    "explain.list": ("List", "列表"),
    "explain.rank": ("Rank", "名次"),
    "explain.score": ("Score", "得分"),
    "explain.weight": ("Weight", "权重"),
    "explain.z": ("Standardised", "标准分"),
    "item.duplicates": ("The same is in", "相同内容另见"),
    "item.fields": ("Details", "详情"),
    "item.gone": (
        "{path} is not in the library any more, or was changed.",
        "{path} 已不在资料库中，或已更改。",
    ),
    "item.kept": ("What this chat kept of it", "此对话保留的内容"),
    "item.left_out": ("… {count} characters …", "……略去 {count} 个字符……"),
    "item.missing": ("This cannot be shown", "无法显示"),
    "item.open": ("Open source {number}", "打开来源 {number}"),
    "item.open_titled": ("Open {title}", "打开“{title}”"),
    "library.added": ("{count} added", "新增 {count}"),
    "library.cancel": ("Stop the ingest", "停止收录"),
    "library.captioned": ("{count} captioned", "生成说明 {count}"),
    "library.dimensions": ("{count} dimensions", "{count} 维"),
    "library.encoders": ("Vector spaces", "向量空间"),
    "library.failed": ("{count} failed", "失败 {count}"),
    "library.failures": ("Files that could not be read", "读取失败的文件"),
    "library.files": ("Files", "文件"),
    "library.ingest": ("Ingest", "收录"),
    "library.ingest_hint": (
        "Makes the index agree with the folder. Searches go on meanwhile.",
        "让索引与文件夹保持一致，收录期间仍可检索。",
    ),
    "library.job_cancelled": (
        "The ingest was stopped; what it did stays done.",
        "收录已停止，已完成的部分会保留。",
    ),
    "library.job_done": ("The index agrees with the folder.", "索引已与文件夹一致。"),
    "library.job_encoding": ("Encoding; {read} files are read", "正在编码，已读取 {read} 个文件"),
    "library.job_failed": ("The ingest failed", "收录失败"),
    "library.job_reading": ("{read} files are read", "已读取 {read} 个文件"),
    "library.job_running": ("Ingesting {done} of {total}", "正在收录 {done} / {total}"),
    "library.job_starting": ("The ingest begins…", "正在开始收录……"),
    "library.job_writing": (
        "Writing the index; {read} files are read",
        "正在写入索引，已读取 {read} 个文件",
    ),
    "library.nothing_yet": ("Nothing was ingested yet.", "尚未收录任何内容。"),
    "library.pictures": ("Pictures", "图片"),
    "library.read_only": (
        "You may read this library, but not change it.",
        "您可以查阅此资料库，但不能更改。",
    ),
    "library.refused": ("{name} was not taken", "未接受 {name}"),
    "library.rejected": (
        "{name} has more than {megabytes} MB and was left out.",
        "{name} 超过 {megabytes} MB，未上传。",
    ),
    "library.rejected_many": (
        "{name} was left out: at most {count} files are sent at once.",
        "未上传 {name}：一次最多上传 {count} 个文件。",
    ),
    "library.removed": ("{count} removed", "移除 {count}"),
    "library.texts": ("Pieces of text", "文本片段"),
    "library.unchanged": ("{count} unchanged", "未变 {count}"),
    "library.updated": ("{count} updated", "更新 {count}"),
    "library.upload": ("Drop files here, or choose them", "将文件拖放到这里，或点击选择"),
    "library.uploaded": (
        "{path} was uploaded. Ingest to find it.",
        "已上传 {path}，收录后即可检索。",
    ),
    "library.uploaded_before": ("{path} was here already.", "{path} 已在库中。"),
    "library.uploads_off": ("This server takes no uploads.", "此服务器不接受上传。"),
    "library.written": ("Another program is writing to this library.", "另一个程序正在写入此库。"),
    "library.written_hint": (
        "What it has done is shown here when it has ended.",
        "它结束后，此处会显示最新内容。",
    ),
    "search.button": ("Search", "检索"),
    "search.clear": ("Clear the filters", "清除筛选条件"),
    "search.days": (
        "This library has days from {first} to {last}.",
        "资料库的日期从 {first} 到 {last}。",
    ),
    "search.days_exchange": ("Exchange the two days.", "请调换这两个日期。"),
    "search.days_reversed": (
        "The first day is after the last one.",
        "起始日期晚于截止日期。",
    ),
    "search.direction_image": ("Pictures", "图片"),
    "search.direction_text": ("Texts", "文本"),
    "search.directions": ("All", "全部"),
    "search.example": ("Search for {title}", "检索“{title}”"),
    "search.explain": ("Why this was found", "检索依据"),
    "search.fields": ("Field", "字段"),
    "search.filters": ("Filters", "筛选"),
    "search.folder": ("Folder", "文件夹"),
    "search.found": ("{count} found", "找到 {count} 项"),
    "search.intro": (
        "Find pictures and texts by words, by a picture, or by both together.",
        "用文字、图片，或两者结合，查找图片和文本。",
    ),
    "search.label": ("Label", "类别"),
    "search.looking": ("Searching…", "正在检索……"),
    "search.modality": ("What to find", "查找内容"),
    "search.more": ("More like this", "查找相似内容"),
    "search.most": ("How many", "数量"),
    "search.most_frequent": (
        "The {count} most frequent are listed. Type any other and press Enter.",
        "此处列出最常见的 {count} 项，其他的可直接输入后按回车。",
    ),
    "search.nothing": ("Nothing was found.", "没有找到任何内容。"),
    "search.nothing_so": (
        "Nothing was found that the filters admit.",
        "在当前筛选条件下没有找到任何内容。",
    ),
    "search.one_day": (
        "All days of this library are {first}.",
        "资料库中的日期都是 {first}。",
    ),
    "search.placeholder": ("Search for words or a picture", "输入文字或添加图片"),
    "search.similarity": ("similarity {score}", "相似度 {score}"),
    "search.since": ("From", "起始日期"),
    "search.suffix": ("Kind of file", "文件类型"),
    "search.until": ("To", "截止日期"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Gives the sentences of one language."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence with its values put in. Raises KeyError for an unknown key."""
        text = TEXTS[key][self.language == "zh"]
        return text.format(**values) if values else text


def choose_language(cookie: str | None, accepted: str) -> Language:
    """Return the language that was chosen, or else the first known one of an Accept-Language."""
    if cookie == "en":
        return "en"
    if cookie == "zh":
        return "zh"
    weighed: list[tuple[float, Language]] = []
    for part in accepted.lower().split(","):
        name, _, weight = part.strip().partition(";q=")
        language: Language | None = {"en": "en", "zh": "zh"}.get(name.split("-")[0])  # type: ignore[assignment]  # both are
        if language is not None:
            weighed.append((_number(weight), language))
    return max(weighed, key=lambda pair: pair[0])[1] if weighed else "en"


def _number(weight: str) -> float:
    try:
        return float(weight) if weight else 1.0
    except ValueError:
        return 0.0
