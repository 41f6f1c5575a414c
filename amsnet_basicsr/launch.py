"""What our train and test commands do around BasicSR's own pipelines."""

import argparse
import os
import os.path as osp
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def train(root_path: str) -> None:
    """Train by BasicSR's `train_pipeline`, then say where everything is.

    Args:
        root_path: Folder in which `experiments/` and `tb_logger/` are made.

    Raises:
        SystemExit: If the options have problems; they are listed.
    """
    _check_raw(is_train=True)
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.train  # isort: skip

    parsed = _check_after_parsing(basicsr.train)
    basicsr.train.train_pipeline(root_path)
    if parsed['opt']['rank'] == 0:
        from amsnet_basicsr.report import report_training

        report_training(parsed['opt'], parsed['args'].opt)


def test(root_path: str) -> None:
    """Test by BasicSR's `test_pipeline`, then say where everything is.

    Args:
        root_path: Folder in which `results/` is made.

    Raises:
        SystemExit: If the options have problems; they are listed.
    """
    _check_raw(is_train=False)
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.test  # isort: skip

    parsed = _check_after_parsing(basicsr.test)
    basicsr.test.test_pipeline(root_path)
    if parsed['opt']['rank'] == 0:
        print(f'Pictures and log: {osp.relpath(parsed["opt"]["path"]["results_root"])}')


def _check_raw(is_train: bool) -> None:
    """Read the options file safely, before BasicSR does, and stop if it is no good."""
    from amsnet_basicsr.options import read_options
    from amsnet_basicsr.preflight import check_raw

    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('-opt')
    path = parser.parse_known_args()[0].opt
    if path is None:
        return  # BasicSR's own parser says what to write
    try:
        problems = check_raw(read_options(path), is_train)
    except ValueError as error:
        sys.exit(f'{error}; nothing was started')
    _stop_for(problems, path)


def _stop_for(problems: list[str], path: str) -> None:
    if problems:
        count = f'{len(problems)} problem{"s" * (len(problems) > 1)}'
        sys.exit('\n  - '.join([f'{path} has {count}; nothing was started:', *problems]))


def _check_after_parsing(pipeline: ModuleType) -> dict[str, Any]:
    """Let a pipeline's `parse_options` run the preflight, and keep what it parsed."""
    from amsnet_basicsr.preflight import check_options

    # A second run in one process must not check twice.
    parse: Callable[..., tuple[dict[str, Any], Any]] = getattr(
        pipeline.parse_options, '_unchecked', pipeline.parse_options
    )
    parsed: dict[str, Any] = {}

    def parse_and_check(*args: Any, **kwargs: Any) -> tuple[dict[str, Any], Any]:
        opt, arguments = parse(*args, **kwargs)
        problems, notes = check_options(opt)
        _stop_for(problems, arguments.opt)
        for note in notes:
            print(f'Note: {note}', flush=True)
        parsed.update(opt=opt, args=arguments)
        return opt, arguments

    parse_and_check._unchecked = parse
    pipeline.parse_options = parse_and_check
    return parsed


def working_directory() -> str:
    """Root for `python -m`: the folder the command is run in, as the package may lie in a read-only place."""
    return os.getcwd()
