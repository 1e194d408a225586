"""What an attached file is called: a name that is harmless, and whose ending agrees with what the bytes are. Pure.

A name that disagrees gets the right ending added, so that no computer takes the file for something else. It is not
refused: programs that save pictures name them as they like, and their users could do nothing about it.
"""

from typing import Final

from chat.attachments.kinds import TEXT, Kind
from chat.file_names import harmless_file_name

LONGEST_NAME: Final = 200
_LONGEST_ADDED: Final = len(".jpeg")
_OF_PICTURES: Final = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
}
# A text may end in anything, as sources of programs do, but for what says that it is none.
_OF_NO_TEXT: Final = tuple(
    f".{ending}"
    for ending in (
        *("png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "heic", "heif", "ico", "psd", "tif", "tiff"),
        *("pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "epub"),
        *("zip", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "tar", "iso", "dmg", "deb", "rpm", "jar", "apk"),
        *("exe", "com", "scr", "msi", "dll", "so", "dylib", "lnk", "bin", "class", "pyc", "wasm"),
        *("mp3", "m4a", "ogg", "wav", "flac", "mp4", "mov", "avi", "mkv", "webm"),
        *("ttf", "otf", "woff", "woff2", "sqlite"),
    )
)


def name_for(name: str, kind: Kind) -> str:
    """The name made harmless, at most 200 characters, with the kind's ending; never empty."""
    clean = harmless_file_name(name, longest=LONGEST_NAME)
    if kind.media_type == TEXT:
        return _ending_in("txt", clean) if clean.lower().endswith(_OF_NO_TEXT) else clean or "text.txt"
    endings = _OF_PICTURES[kind.media_type]
    if clean.lower().endswith(tuple(f".{ending}" for ending in endings)):
        return clean
    return _ending_in(endings[0], clean or "picture")


def _ending_in(ending: str, name: str) -> str:
    return f"{name[: LONGEST_NAME - _LONGEST_ADDED]}.{ending}"
