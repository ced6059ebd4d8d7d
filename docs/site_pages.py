"""mkdocs hooks: README and CHANGELOG as pages, links out of ``docs/`` as what they are.

Rule 1: README.md and CHANGELOG.md stay where readers of the repository look for them; the site has
them as its first and its last page, with their links turned.
Rule 2: a link to a file of the repository that is no page (a scenario, a module) is plain text in
the site, which is read without the repository.
Rule 3: nothing is fetched: the state diagram, which mermaid would draw with a script of its own
from elsewhere, is drawn here as SVG, from the same table.
"""

import re
from pathlib import Path
from typing import Any, Final

from docs.state_drawing import svg

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}

_LINK: Final = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
_MERMAID: Final = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that live outside ``docs/``."""
    from mkdocs.structure.files import File

    for name, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Turn the links of a page, and draw its diagram."""
    here = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {file.src_uri for file in files}
    return _MERMAID.sub(lambda _: svg(), turned(markdown, here, pages))


def turned(markdown: str, here: str, pages: set[str]) -> str:
    """A page's text with links that lead somewhere in the site; ``here`` is where it is written."""
    elsewhere = {source: name for name, source in PAGES.items()}
    depth = "../" * (here.count("/") - 1)

    def turn(link: re.Match[str]) -> str:
        text, to, anchor = link[1], link[2], link[3] or ""
        path = (ROOT / here).parent.joinpath(to).resolve()
        if not path.exists():
            return link[0]  # mkdocs will say so
        name = path.relative_to(ROOT).as_posix()
        name = elsewhere.get(name, name.removeprefix("docs/"))
        return f"[{text}]({depth}{name}{anchor})" if name in pages else text

    return _LINK.sub(turn, markdown)
