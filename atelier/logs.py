"""Logging in which a hostile value cannot forge lines."""

import logging
import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class OneLineFormatter(logging.Formatter):
    """Escapes control characters, so that a file name or a model's text cannot write a line or colour the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", record.message).replace("\n", "\\n")
        return super().formatMessage(record)
