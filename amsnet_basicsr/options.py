"""Reading settings safely, with names checked: a misspelt key is an error with a hint, never silently ignored."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

PLUGIN_NAME = 'amsnet_basicsr.__version__'


class OptionsLoader(yaml.SafeLoader):
    """YAML's safe loader, plus the one tag that options files need: that of the `plugin:` line."""


def _construct_plugin(loader: OptionsLoader, suffix: str, node: yaml.Node) -> str:
    if suffix != PLUGIN_NAME:
        problem = f'!!python/name:{suffix} is refused: only !!python/name:{PLUGIN_NAME} is allowed'
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return PLUGIN_NAME


OptionsLoader.add_multi_constructor('tag:yaml.org,2002:python/name:', _construct_plugin)


def read_options(path: str) -> dict[str, Any]:
    """Read an options file without running anything in it.

    BasicSR's own reader runs code that a file asks for (`!!python/object/apply`); our commands read the file by this
    one first, and stop if it holds more than plain values.

    Args:
        path: The options file.

    Returns:
        The options as plain values.

    Raises:
        ValueError: If the file cannot be read, is no YAML, or holds a tag other than the plugin's; the message names
            file and line.
    """
    try:
        with open(path, encoding='utf-8') as file:
            options = yaml.load(file, Loader=OptionsLoader)
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, 'problem_mark', None)
        line = f', line {mark.line + 1}' if mark else ''
        raise ValueError(f'{path}{line}: {getattr(error, "problem", None) or error}') from error
    if not isinstance(options, dict):
        raise ValueError(f'{path} holds no options')
    return options


def unknown_keys(options: Mapping[str, Any], known: Iterable[str], where: str) -> list[str]:
    """Describe the keys that nothing reads.

    Args:
        options: Some level of an options file.
        known: The keys that are read there.
        where: Name of that level, for the messages.

    Returns:
        One sentence per unknown key, with the nearest known name.
    """
    known = sorted(known)
    problems = []
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'known: {", ".join(known)}'
            problems.append(f'{where} has no option {key!r}; {hint}')
    return problems


def refuse_unknown(options: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise for keys that nothing reads.

    Args:
        options: Some level of an options file.
        known: The keys that are read there.
        where: Name of that level, for the message.

    Raises:
        ValueError: If there is an unknown key; the message names all of them and the nearest known names.
    """
    problems = unknown_keys(options, known, where)
    if problems:
        raise ValueError('; '.join(problems))
