"""Files that are no rows at all, told by how they begin: what they are, and what to do."""

import zipfile

from recommendation.errors import InvalidInput

_SAVE_AS_CSV = "a workbook of a spreadsheet: save the sheet as CSV"
_BEGINNINGS = {
    b"\xd0\xcf\x11\xe0": _SAVE_AS_CSV,
    b"%PDF-": "a PDF: ask for the table as CSV",
    b"SQLite format 3\0": "a database of SQLite: write a table of it as CSV",
    b"\x89HDF": "an HDF5 file: write it as Parquet",
    b"ARROW1": "a file of Arrow: write it as Parquet",
    b"\xfd7zXZ": "packed by xz: unpack it first",
    b"7z\xbc\xaf": "packed by 7-Zip: unpack it first",
    b"Rar!": "packed by RAR: unpack it first",
}
_TAR, _TAR_AT = b"ustar", 257


def refuse_other_kinds(path: object, start: bytes) -> None:
    """
    Let a file pass whose first bytes may be rows.

    Args:
        start: the first 300 bytes or more, without the packing.

    Raises:
        InvalidInput: says what it is instead.
    """
    for beginning, told in _BEGINNINGS.items():
        if start.startswith(beginning):
            raise InvalidInput(f"{path} is {told}")
    if start[_TAR_AT:].startswith(_TAR):
        raise InvalidInput(f"{path} is an archive of tar: unpack it and name one of its files")
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise InvalidInput(f"{path} is a web page, such as one that asks for a login: fetch the file itself")


def sole_member(path: object, archive: zipfile.ZipFile) -> str:
    """
    Return the one file of a zip archive.

    Raises:
        InvalidInput: it is a workbook, or there are several.
    """
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names or ("mimetype" in names and "content.xml" in names):
        raise InvalidInput(f"{path} is {_SAVE_AS_CSV}")
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise InvalidInput(f"{path} holds {len(names)} files ({', '.join(names[:5])}): unpack it and name one of them")
    return names[0]
