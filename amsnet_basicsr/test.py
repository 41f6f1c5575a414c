"""`python -m amsnet_basicsr.test -opt options.yml`: test in the current folder, as BasicSR's test.py does."""

import os
import os.path as osp
import sys

from amsnet_basicsr.options.command import read_command
from amsnet_basicsr.utils.command import begin_command
from amsnet_basicsr.utils.text import say


def test(root_path: str) -> None:
    """Test by BasicSR's `test_pipeline`, with results in `root_path`, then say where everything is.

    Raises:
        SystemExit: If the options have problems, which are listed, or testing cannot continue.
    """
    command = read_command()  # first, as importing takes seconds
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    import basicsr.test  # isort: skip
    from amsnet_basicsr.patches.pipelines.parse_options import use_options
    from amsnet_basicsr.utils.errors import UserError

    opt = use_options(basicsr.test, command)
    try:
        basicsr.test.test_pipeline(root_path)
    except UserError as error:
        sys.exit(f'Testing ended: {error}')
    if opt['rank'] == 0:
        say(f'Images and log: {osp.relpath(opt["path"]["results_root"])}')


if __name__ == '__main__':
    begin_command()
    test(os.getcwd())
