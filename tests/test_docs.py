"""README and docs name what is there, and hold nothing unfinished."""

import re

import pytest

from tests.conftest import REPOSITORY

DOCS = [REPOSITORY / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md')]
DOCS += sorted(REPOSITORY.glob('docs/**/*.md'))


@pytest.mark.parametrize('path', DOCS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path):
    text = path.read_text()
    assert '@@' not in text and 'TODO' not in text
    linked = [path.parent / link for link in re.findall(r'\]\(([^)#:]+)\)', text)]
    named = [
        REPOSITORY / name for name in re.findall(r'\b((?:options|scripts|docs|tests)/[\w/.]+\.(?:yml|py|md))\b', text)
    ]
    missing = [str(file) for file in linked + named if not file.exists()]
    assert not missing


def test_the_readme_has_the_commands_that_ci_runs():
    blocks = re.findall(r'```bash\n(.*?)```', (REPOSITORY / 'README.md').read_text(), flags=re.S)
    assert any('options/quickstart.yml' in block for block in blocks)
    assert any("pip install -e '.[test]' && pytest" in block for block in blocks)
