"""How the package is laid out. Its import rules are contracts in pyproject.toml, checked by `lint-imports`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / 'amsnet_basicsr'
#: Folders of tests beside those that bear a room's name.
OTHER_TESTS = {'fuzz', 'pipeline', 'scripts', 'vectors'}


def folders(root: Path) -> list[Path]:
    return [path for path in (root, *root.rglob('*')) if path.is_dir() and path.name != '__pycache__']


def test_a_folder_is_small_enough_to_be_read():
    files = {str(folder): sum(path.is_file() for path in folder.iterdir()) for folder in folders(PACKAGE)}
    assert {folder: number for folder, number in files.items() if number > 12} == {}


def test_the_top_of_the_package_holds_the_commands_and_nothing_else():
    top = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    modules = {f'{name}.py' for name in ('__init__', 'check', 'cli', 'plugin', 'test', 'train', 'version')}
    assert top == {*modules, 'py.typed'}


def test_tests_mirror_the_package():
    rooms = {path.relative_to(PACKAGE).as_posix() for path in folders(PACKAGE)}
    tests = {
        path.parent.relative_to(REPOSITORY / 'tests').as_posix() for path in REPOSITORY.glob('tests/*/**/test_*.py')
    }
    assert {name for name in tests if name.partition('/')[0] not in OTHER_TESTS} <= rooms


def imported_names(tree: ast.AST) -> dict[str, str]:
    """Name in a module → the foreign library it was imported from."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({(item.asname or item.name.partition('.')[0]): item.name for item in node.names})
        elif isinstance(node, ast.ImportFrom):
            names.update({item.asname or item.name: node.module or '' for item in node.names})
    ours = {PACKAGE.name, *sys.stdlib_module_names}
    return {name: source for name, source in names.items() if source.partition('.')[0] not in ours}


def assigned(node: ast.AST) -> list[ast.expr]:
    """What a statement sets or deletes."""
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ('setattr', 'delattr'):
        name = node.args[1].value if isinstance(node.args[1], ast.Constant) else 'ANY'
        return [ast.Attribute(node.args[0], str(name), ast.Store())]
    return []


def foreign_assignments(source: str, methods: set[str]) -> Iterator[str]:
    """Find what sets an attribute of an imported module or class, or replaces a method of BasicSR on an instance."""
    tree = ast.parse(source)
    names = imported_names(tree)
    for node in ast.walk(tree):
        for target in assigned(node):
            root = target
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if root is target or not isinstance(root, ast.Name):
                continue
            own = ast.unparse(target.value) in ('self', 'cls')
            replaced = isinstance(target, ast.Attribute) and target.attr in methods and not own
            if root.id in names or replaced:
                yield ast.unparse(target)


@pytest.fixture(scope='module')
def basicsr_methods() -> set[str]:
    """The names of the methods of BasicSR's models, and that of what `setattr` sets by a variable."""
    from amsnet_basicsr.models.amsnet_model import AMSNetModel

    methods = {name for name in dir(AMSNetModel) if callable(getattr(AMSNetModel, name)) and not name.startswith('__')}
    return {'ANY', *methods}


def test_foreign_modules_classes_and_instances_are_changed_in_patches_alone(basicsr_methods):
    found = {
        path.relative_to(PACKAGE).as_posix(): list(foreign_assignments(path.read_text('utf-8'), basicsr_methods))
        for path in PACKAGE.rglob('*.py')
        if path.relative_to(PACKAGE).parts[0] != 'patches'
    }
    assert {name: targets for name, targets in found.items() if targets} == {}


def test_assignments_to_foreign_things_are_seen(basicsr_methods):
    source = (
        'import basicsr.train as train, torch, sys\nfrom basicsr.models.base_model import BaseModel\n'
        'from amsnet_basicsr import options\n'
        'train.parse_options = 1\nBaseModel.save: int = 1\nsetattr(BaseModel, "a", 1)\ndel torch.x.y\n'
        'def f(model, name):\n    model.resume_training = 1\n    setattr(model, name, 1)\n'
        'options.x = 1\nself.test = 1\nself.model.save = 1\nmodel.other = 1\ntrain = 1\nsys.argv = []\n'
    )
    found = {
        'train.parse_options',
        'BaseModel.save',
        'BaseModel.a',
        'torch.x.y',
        'model.resume_training',
        'model.ANY',
        'self.model.save',
    }
    assert set(foreign_assignments(source, basicsr_methods)) == found
