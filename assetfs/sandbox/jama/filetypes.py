"""The table of file types that uploads are judged by: Python's own, and what a media library has besides.

A file's type follows from its last extension alone. The order of extensions is the server's for the types in `FIRST`.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from functools import cache

IIIF = {"application/pdf", "application/illustrator", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff"}
FIRST = {"image/jpeg": ["jpeg", "jpg", "jpe"], "image/tiff": ["tiff", "tif"], "text/plain": ["txt", "text"]}
MORE = """
application/epub+zip epub
application/geo+json geojson
application/gzip gz tgz
application/illustrator ai
application/msword doc dot
application/octet-stream bin dll exe so dump dist deploy
application/ogg ogx
application/postscript ps eps
application/rtf rtf
application/sql sql
application/vnd.google-earth.kml+xml kml
application/vnd.google-earth.kmz kmz
application/vnd.ms-excel xls xlb
application/vnd.ms-powerpoint ppt pot pps
application/vnd.oasis.opendocument.graphics odg
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.sqlite3 sqlite sqlite3 db
application/x-7z-compressed 7z
application/x-blender blend
application/x-bzip2 bz2
application/x-iso9660-image iso
application/x-rar-compressed rar
application/x-subrip srt
application/x-xz xz
application/yaml yaml yml
application/zip zip
application/zstd zst
audio/aac aac
audio/flac flac
audio/midi mid midi kar
audio/mp4 m4a
audio/mpeg mp3 mp2 mpga
audio/ogg ogg oga spx opus
audio/x-aiff aif aiff aifc
audio/x-ms-wma wma
audio/x-wav wav
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/avif avif
image/bmp bmp
image/heic heic
image/heif heif
image/jp2 jp2 jpg2
image/jxl jxl
image/svg+xml svg svgz
image/vnd.adobe.photoshop psd
image/vnd.djvu djvu djv
image/vnd.radiance hdr
image/webp webp
image/x-adobe-dng dng
image/x-canon-cr2 cr2
image/x-exr exr
image/x-nikon-nef nef
image/x-sony-arw arw
image/x-tga tga
image/x-xcf xcf
message/rfc822 eml mime
model/gltf+json gltf
model/gltf-binary glb
model/obj obj
model/stl stl
model/vnd.usdz+zip usdz
text/markdown md markdown
text/vtt vtt
text/x-log log
text/x-tex tex
video/mp2t ts m2ts
video/mp4 mp4 mp4v mpg4
video/mpeg mpeg mpg mpe m1v m2v
video/ogg ogv
video/quicktime mov qt
video/webm webm
video/x-flv flv
video/x-m4v m4v
video/x-matroska mkv
video/x-ms-wmv wmv
video/x-msvideo avi
"""


@dataclass(frozen=True)
class FileType:
    """One row: a MIME type, which is also its title, and its extensions without dots."""

    mime: str
    extensions: tuple[str, ...]

    @property
    def iiif(self) -> bool:
        """Whether the server announces image renditions for it."""
        return self.mime in IIIF

    @property
    def hls(self) -> bool:
        """Whether the server announces video renditions for it."""
        return self.mime.startswith("video/")


@cache
def table() -> dict[str, FileType]:
    """All types by MIME type. An extension belongs to one type only: what is listed here goes before Python's table."""
    by_mime: dict[str, list[str]] = {mime: list(extensions) for mime, extensions in FIRST.items()}
    taken = {extension for extensions in by_mime.values() for extension in extensions}
    rows = [line.split() for line in MORE.strip().splitlines()]
    rows += [[mime, dotted.removeprefix(".")] for dotted, mime in mimetypes.MimeTypes().types_map[True].items()]
    for mime, *extensions in rows:
        for extension in extensions:
            if extension not in taken:
                taken.add(extension)
                by_mime.setdefault(mime, []).append(extension)
    return {mime: FileType(mime, tuple(extensions)) for mime, extensions in sorted(by_mime.items())}


@cache
def by_extension() -> dict[str, FileType]:
    """The type of each extension (lower case, no dot)."""
    return {extension: row for row in table().values() for extension in row.extensions}
