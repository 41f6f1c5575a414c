"""README and docs name what is there, and hold nothing unfinished; code names pages that are there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DOCS = [REPOSITORY / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md')]
DOCS += sorted(REPOSITORY.glob('docs/**/*.md'))
CODE = [
    file
    for folder in ('amsnet_basicsr', 'basicsr', 'options', 'scripts', 'tests')
    for file in sorted((REPOSITORY / folder).rglob('*'))
    if file.suffix in ('.py', '.yml') and '__pycache__' not in file.parts
]
_FILE = re.compile(r'(?<![\w/.-])((?:amsnet_basicsr|docs|options|scripts|tests)/[\w/.-]*\w(?:/(?!\w))?)(?![\w{*…])')
_MODULE = re.compile(r'(?<![\w./-])amsnet_basicsr(?:\.\w+)+')


def names_something(dotted: str) -> bool:
    """Whether `amsnet_basicsr.a.b` is a module, or something within one."""
    parts = dotted.split('.')
    for length in range(len(parts), 0, -1):
        folder = REPOSITORY.joinpath(*parts[:length])
        if folder.is_dir() or folder.with_suffix('.py').exists():
            if length == len(parts):
                return True
            return hasattr(import_module('.'.join(parts[:length])), parts[length])
    return False


@pytest.mark.parametrize('path', DOCS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    assert '@@' not in text and 'TODO' not in text
    missing = [link for link in re.findall(r'\]\(([^)#:]+)\)', text) if not (path.parent / link).exists()]
    if path.name != 'CHANGELOG.md':  # which tells of what is gone, too
        missing += [name for name in _FILE.findall(text) if 'NAME' not in name and not (REPOSITORY / name).exists()]
        if path.parent.name != 'extend' and path.name != 'student.md':  # files of the reader, files of the history
            short = [name for name in re.findall(r'`([\w/]+\.py)`', text) if 'NAME' not in name]
            missing += [
                name for name in short if not any(file.match(name) for file in [*CODE, REPOSITORY / 'setup.py'])
            ]
        missing += [name for name in _MODULE.findall(text) if not names_something(name)]
    assert not missing


def test_pages_that_code_names_exist() -> None:
    named = {
        (str(file.relative_to(REPOSITORY)), page)
        for file in CODE
        for page in re.findall(r'\bdocs/[\w/]+\.md\b', file.read_text(encoding='utf-8'))
    }
    assert not [pair for pair in sorted(named) if not (REPOSITORY / pair[1]).exists()]


def test_the_readme_is_short_and_has_the_commands_that_ci_runs() -> None:
    text = (REPOSITORY / 'README.md').read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 110
    blocks = re.findall(r'```bash\n(.*?)```', text, flags=re.S)
    assert any('options/quickstart.yml' in block for block in blocks)
    assert any("pip install -e '.[test]' && pytest" in block for block in blocks)
