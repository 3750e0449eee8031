"""A griffe extension: cross-references in docstrings become links of the API reference.

Docstrings use Sphinx's roles, as in :class:`~ia_gym.envs.QuestionEnv`, which editors understand.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|func|meth|attr|mod|data|exc):`(~?)([\w.]+)`")
SHAPE = re.compile(r"(Returns:\n\s+[^\n:]*``[^\n:]*): ")
"""A shape before the colon of a Returns section, which would be taken for the type."""


class DocstringRoles(Extension):
    """Turns the roles of every docstring into optional autorefs."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of ``obj``, if there is one."""
        if obj.docstring is not None:
            linked = ROLE.sub(self._link, obj.docstring.value)
            obj.docstring.value = SHAPE.sub(r"\1 – ", linked)

    @staticmethod
    def _link(match: re.Match[str]) -> str:
        short, path = match.groups()
        text = path.rpartition(".")[2] if short else path
        return f'<autoref identifier="{path}" optional><code>{text}</code></autoref>'
