"""Names of people: which two are the same, and which nobody may choose."""

import unicodedata

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

# Letters of these look like each other: a name that mixes them was made to be taken for another.
LENGTH = 150  # characters of a name; folding makes at most three of one
LOOK_ALIKE = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC"}


def compared(name: str) -> str:
    """Return the form in which two names are the same: Vera is vera, and full-width letters are plain ones."""
    asked = name[: 4 * LENGTH].replace("\0", "\ufffd")  # nobody's name, and PostgreSQL does not even compare it
    folded = unicodedata.normalize("NFKC", asked)[:LENGTH].strip().casefold()
    return unicodedata.normalize("NFKC", folded)


def usual(name: str) -> str:
    """Return a name in its usual Unicode form. Raises ValidationError when it is too long or no account can have it."""
    name = unicodedata.normalize("NFKC", name[: 4 * LENGTH]).strip()
    if len(name) > LENGTH:
        raise ValidationError(f"A name can have at most {LENGTH} characters.")
    UnicodeUsernameValidator()(name)
    return name


def check_new(name: str) -> str:
    """Return a name for a new account, in its usual Unicode form. Raises ValidationError when it mixes look-alike scripts."""
    name = usual(name)
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()} & LOOK_ALIKE
    if len(scripts) > 1:
        words = " and ".join(sorted(script.capitalize() for script in scripts))
        raise ValidationError(f"This name mixes {words} letters, which look alike. Use letters of one alphabet.")
    return name
