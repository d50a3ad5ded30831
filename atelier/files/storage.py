"""File storage in which each file appears whole or not at all."""

import errno
import os
import uuid
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # what exFAT, FUSE and SMB say


class WholeFiles(FileSystemStorage):
    """Storage that writes aside, and gives the file its name when all of it is on the disk. A failed write leaves nothing."""

    def _save(self, name: str, content: Any) -> str:
        draft = Path(self.path(name)).with_name(f".{uuid.uuid4().hex}.part")
        try:
            super()._save(os.path.relpath(draft, self.location), content)
            return self._publish(draft, name)
        finally:
            draft.unlink(missing_ok=True)

    def _publish(self, draft: Path, name: str) -> str:
        """Give the file its name, or another if that is taken; return the name."""
        while True:
            try:
                self._name(draft, self.path(name))
                return name
            except FileExistsError:
                name = self.get_available_name(name)

    def _name(self, draft: Path, path: str) -> None:
        """Rename the file. Raises FileExistsError for a name that is taken, which a renaming would overwrite."""
        try:
            os.link(draft, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # the name is ours from here on
            try:
                os.replace(draft, path)
            except OSError:
                os.unlink(path)
                raise
