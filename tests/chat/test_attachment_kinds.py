"""What the bytes of a file are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.attachments.kinds import MEDIA_TYPES, TEXT, Broken, Kind, UnknownKind, fits_announced, kind_of
from chat.attachments.naming import LONGEST_NAME, name_for
from chat.file_names import harmless, harmless_file_name
from tests.pictures import gif, jpeg, lossy_webp, png, webp

PICTURES = {
    "png": (png(), "image/png"),
    "jpeg": (jpeg(), "image/jpeg"),
    "gif": (gif(), "image/gif"),
    "webp": (webp(), "image/webp"),
    "lossy webp": (lossy_webp(), "image/webp"),
    "extended webp": (webp(canvas=(40, 30)), "image/webp"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_known_by_its_bytes_with_its_sides(name: str) -> None:
    content, media_type = PICTURES[name]
    assert kind_of(content) == Kind(media_type, 40, 30)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_was_cut_off_anywhere_is_never_taken_for_a_whole_one(name: str) -> None:
    content, _ = PICTURES[name]
    for length in range(len("GIF89a"), len(content)):  # fewer are a text, or nothing
        with pytest.raises((Broken, UnknownKind)):
            kind_of(content[:length])


def test_the_larger_of_two_sizes_counts_whatever_the_header_says() -> None:
    assert kind_of(gif(1, 1, frame=(9_000, 8_000))) == Kind("image/gif", 9_000, 8_000)
    assert kind_of(webp(9_000, 8_000, canvas=(1, 1))) == Kind("image/webp", 9_000, 8_000)
    assert kind_of(png(60_000, 60_000)) == Kind("image/png", 60_000, 60_000)
    assert kind_of(jpeg(65_535, 65_535)) == Kind("image/jpeg", 65_535, 65_535)


@pytest.mark.parametrize(
    "content",
    [
        png(0, 30),
        png().replace(b"IHDR", b"IHDX"),
        png()[:40] + b"x" + png()[41:],
        b"\x89PNG\r\n\x1a\n" + png()[-12:],
        jpeg(40, 0),
        jpeg()[:2] + b"\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00",
        gif()[:25] + b"\x99" + gif()[26:],
        b"GIF89a" + bytes(7) + b"\x3b",
        b"RIFF\x04\x00\x00\x00WEBP",
        webp().replace(b"\x2f", b"\x2e"),
        lossy_webp().replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b"),
    ],
)
def test_a_picture_put_together_wrongly_is_broken(content: bytes) -> None:
    with pytest.raises(Broken):
        kind_of(content)


@given(st.sampled_from([content for content, _ in PICTURES.values()]), st.integers(0, 200), st.binary(max_size=40))
def test_whatever_the_bytes_are_they_are_a_kind_or_refused(content: bytes, at: int, other: bytes) -> None:
    for tried in (content[:at] + other + content[at:], content[:at] + other, other):
        try:
            kind = kind_of(tried)
        except (Broken, UnknownKind):
            continue
        assert (kind.media_type == TEXT) == (kind.width is None)


@pytest.mark.parametrize(
    "text", ["# Tea\n", "a,b\r\n1,2\r\n", '{"tea": 3}', "\ufeffÜber Tee 茶 🫖", "\x1b[31mred\x1b[0m\t\f"]
)
def test_utf_8_is_text(text: str) -> None:
    assert kind_of(text.encode()) == Kind(TEXT)


@pytest.mark.parametrize(
    "content", ["tea".encode("utf-16"), b"tea\0", b"\xff\xfe", "é".encode("latin-1"), b"%PDF-1.7\n%\xe2\xe3", b"PK\3\4"]
)
def test_what_is_neither_is_unknown(content: bytes) -> None:
    with pytest.raises(UnknownKind):
        kind_of(content)


def test_a_content_type_fits_when_it_says_the_same_or_nothing() -> None:
    for announced in ("", "application/octet-stream", "image/jpeg", "IMAGE/JPEG; q=1", "image/jpg"):
        assert fits_announced(Kind("image/jpeg"), announced)
    for announced in ("image/png", "text/plain", "multipart/form-data; boundary=x", "image/*"):
        assert not fits_announced(Kind("image/jpeg"), announced)
    for announced in ("", "text/plain; charset=utf-8", "text/markdown", "application/json"):
        assert fits_announced(Kind(TEXT), announced)
    for announced in ("image/png", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        assert not fits_announced(Kind(TEXT), announced)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("notes.md", "notes.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\cups\\cup.png", "cup.png"),
        ('a"b\r\nSet-Cookie: x.png', "a b Set-Cookie x.png"),
        ("\u202egnp.exe", "gnp.exe"),
        (".htaccess", "htaccess"),
        ("half \ud800.png", "half .png"),
        ("..", ""),
        ("茶.txt", "茶.txt"),
    ],
)
def test_a_name_is_made_harmless(name: str, clean: str) -> None:
    assert harmless_file_name(name, longest=60) == clean


@given(st.text(max_size=300))
def test_every_name_is_harmless_and_short(name: str) -> None:
    for clean in (harmless_file_name(name, longest=40), harmless(name, longest=40)):
        assert len(clean) <= 40
        assert not set(clean) & set('/\\"<>|:*?\r\n\0')
        clean.encode()


@pytest.mark.parametrize(
    ("name", "media_type", "called"),
    [
        ("cup.png", "image/png", "cup.png"),
        ("CUP.JPEG", "image/jpeg", "CUP.JPEG"),
        ("cup.png", "image/jpeg", "cup.png.jpg"),
        ("cup", "image/webp", "cup.webp"),
        ("", "image/gif", "picture.gif"),
        ("notes", TEXT, "notes"),
        ("main.py", TEXT, "main.py"),
        ("page.html", TEXT, "page.html"),
        ("drawing.svg", TEXT, "drawing.svg"),
        ("cup.png", TEXT, "cup.png.txt"),
        ("Setup.EXE", TEXT, "Setup.EXE.txt"),
        ("bill.pdf", TEXT, "bill.pdf.txt"),
        ("", TEXT, "text.txt"),
        ("x" * 300 + ".zip", TEXT, "x" * 195 + ".txt"),
    ],
)
def test_a_name_ends_as_its_bytes_are(name: str, media_type: str, called: str) -> None:
    assert name_for(name, Kind(media_type)) == called


@given(st.text(max_size=300), st.sampled_from(MEDIA_TYPES))
def test_every_file_has_a_short_name(name: str, media_type: str) -> None:
    called = name_for(name, Kind(media_type))
    assert 0 < len(called) <= LONGEST_NAME
    assert name_for(called, Kind(media_type)) == called


def test_a_long_name_keeps_its_ending() -> None:
    assert harmless_file_name("x" * 300 + ".png", longest=40) == "x" * 36 + ".png"
