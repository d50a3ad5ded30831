"""Files appear whole, also where the disk has no hard links."""

import errno
import os

import pytest
from django.core.files.base import ContentFile

from atelier.files.storage import WholeFiles


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_without_hard_links_a_file_is_kept_and_no_other_is_written_over(tmp_path, monkeypatch, code):
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    kept = WholeFiles(location=tmp_path)
    first, second = kept.save("a", ContentFile(b"1")), kept._save("a", ContentFile(b"2"))
    assert first == "a"
    assert second != "a"
    assert (tmp_path / first).read_bytes() == b"1"
    assert (tmp_path / second).read_bytes() == b"2"
    assert len(list(tmp_path.iterdir())) == 2


def test_any_other_error_is_told(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="broken"):
        WholeFiles(location=tmp_path).save("a", ContentFile(b"1"))
    assert list(tmp_path.iterdir()) == []
