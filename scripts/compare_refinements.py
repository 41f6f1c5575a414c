"""Compare refinements (none, PartitionAverage, R3), the noisy input and plain blur on sets with ground truth.

    python scripts/compare_refinements.py -opt options/test_amsnet_sidd_small.yml

takes options as for testing, with the refinements under `report:`. The table and strips noisy | denoised | clean go to
results/<name>.
"""

import os
import sys

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.models.validation.compare import compare_refinements
from amsnet_basicsr.options.command import list_problems, read_command
from amsnet_basicsr.patches.pipelines.parse_options import prepare


def main() -> None:
    """Read the options, check them, compare, and print the table."""
    command = read_command()
    opt = prepare(command, os.getcwd(), is_train=False)
    problems = []
    if not opt.get('report'):
        problems.append('report is missing: say e.g. report: {refine: [~, {type: R3}]}')
    if not opt['path'].get('pretrain_network_g'):
        problems.append('path.pretrain_network_g is missing: the weights to compare with')
    if problems:
        sys.exit(list_problems(command.arguments.opt, problems, 'nothing was started'))
    print(compare_refinements(opt, opt['path']['pretrain_network_g'], opt['path']['results_root']))


if __name__ == '__main__':
    main()
