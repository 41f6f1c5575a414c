"""MkDocs hooks: the pages that lie at the top of the repository become pages of the site too."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

#: Files beside docs/, by the name of their page.
PAGES = {'contributing.md': 'CONTRIBUTING.md', 'security.md': 'SECURITY.md', 'changelog.md': 'CHANGELOG.md'}
_LINK = re.compile(r'\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)')


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside docs/."""
    for page, name in PAGES.items():
        files.append(File.generated(config, page, content=(_root(config) / name).read_text(encoding='utf-8')))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links between docs/ and the files beside it at their pages."""
    source = page.file.src_uri
    outside = source in PAGES
    folder = '' if outside else posixpath.join('docs', posixpath.dirname(source))
    by_name = {name: page_uri for page_uri, name in PAGES.items()} | {'README.md': 'index.md'}

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        uri = by_name.get(target) or (target.removeprefix('docs/') if outside else None)
        if uri is None:
            return match[0]
        return f']({posixpath.relpath(uri, posixpath.dirname(source) or ".")}{match[2] or ""})'

    return _LINK.sub(link, markdown)


def _root(config: Any) -> Path:
    return Path(config.config_file_path).parent
