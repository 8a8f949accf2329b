"""Which folder names are names of what pictures show. Pure functions of path strings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from florilegium.cards import picture_name

# What people call folders of pictures that have nothing in common but when or why they were kept.
_CATCH_ALL: Final = (
    "album albums all archive backup camera collection data dataset favorites favourites files "
    "folder import imported inbox misc miscellaneous mixed new old other others random roll sort "
    "temp test tmp todo train unknown unsorted uploads val validation various january february "
    "march april may june july august september october november december jan feb mar apr jun jul "
    "aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday spring "
    "summer autumn fall winter "
    "相册 全部 所有 其他 其它 杂项 备份 归档 收藏 导入 上传 临时 测试 素材 数据 数据集 文件 文件夹 "
    "新建文件夹 未分类 未整理 待整理 未知 相簿 雜項 備份 新增資料夾 資料夾 未分類 "
    "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月 "
    "春天 夏天 秋天 冬天 春季 夏季 秋季 冬季"
)

LEAST_PICTURES: Final = 2


def names_of(paths: Sequence[str]) -> list[str | None]:
    """Return for each picture's path the name that its folder gives it, or None.

    It is the words of the nearest folder whose name has any: `roses/2019-05/IMG_1.jpg` is one of
    `roses`. Numbers, dates and what cameras and programs call folders are no words, folders for
    everything are no names, and neither is one with fewer than `LEAST_PICTURES` pictures. Names
    that differ in case only are one name.
    """
    found = [_folder_name(PurePosixPath(path)) for path in paths]
    counts = Counter(name.casefold() for name in found)
    spelled = {name.casefold(): name for name in sorted(found, reverse=True)}
    return [
        spelled[name.casefold()] if name and counts[name.casefold()] >= LEAST_PICTURES else None
        for name in found
    ]


def _folder_name(path: PurePosixPath) -> str:
    catch_all = _CATCH_ALL.split()
    for folder in path.parents:
        # The stem 0 is no word, so it is the folder that gives the name.
        name = picture_name(f"{folder.name}/0") if folder.name else ""
        if name:
            return "" if all(word.casefold() in catch_all for word in name.split()) else name
    return ""
