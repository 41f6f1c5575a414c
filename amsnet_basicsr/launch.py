"""What our train and test commands do around BasicSR's own pipelines."""

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
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.test  # isort: skip

    parsed = _check_after_parsing(basicsr.test)
    basicsr.test.test_pipeline(root_path)
    if parsed['opt']['rank'] == 0:
        print(f'Pictures and log: {osp.relpath(parsed["opt"]["path"]["results_root"])}')


def _check_after_parsing(pipeline: ModuleType) -> dict[str, Any]:
    """Let a pipeline's `parse_options` run the preflight, and keep what it parsed."""
    from amsnet_basicsr.preflight import check_options

    parse: Callable[..., tuple[dict[str, Any], Any]] = pipeline.parse_options
    parsed: dict[str, Any] = {}

    def parse_and_check(*args: Any, **kwargs: Any) -> tuple[dict[str, Any], Any]:
        opt, arguments = parse(*args, **kwargs)
        problems, notes = check_options(opt)
        if problems:
            listed = ''.join(f'\n  - {problem}' for problem in problems)
            sys.exit(
                f'{arguments.opt} has {len(problems)} problem{"s" * (len(problems) > 1)}; nothing was started:{listed}'
            )
        for note in notes:
            print(f'Note: {note}', flush=True)
        parsed.update(opt=opt, args=arguments)
        return opt, arguments

    pipeline.parse_options = parse_and_check
    return parsed


def working_directory() -> str:
    """Root for `python -m`: the folder the command is run in, as the package may lie in a read-only place."""
    return os.getcwd()
