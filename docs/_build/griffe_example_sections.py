"""Makes griffe take `Example:` for the section it knows as `Examples:`; otherwise it is shown as a box of quotes."""

from __future__ import annotations

import re

import griffe

_HEADING = re.compile(r"^([ \t]*)Example:[ \t]*$", re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Renames the heading in every docstring, in memory only."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """See `griffe.Extension`.

        Args:
            obj: A module, class, function or attribute.
        """
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)
