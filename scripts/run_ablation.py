"""Run one of the paper's comparisons at small scale: train, test, tabulate, plot.

    python scripts/run_ablation.py --list
    python scripts/run_ablation.py mask_ratio --seeds 0 1 2
    python scripts/run_ablation.py mask_ratio --collect --write docs/results/ablations.md

NAME is a folder of options/ablation; each options file in it is a setting, trained by `python -m amsnet_basicsr.train`
and tested by its `report:`. A file without `train:` is tested by scripts/compare_refinements.py, with the weights of
the setting that its `path.pretrain_network_g` names. Begun again, the command goes on where it was stopped.

results/ablation/NAME gets table.md, results.csv and plot.png of all runs that are finished, whatever their seeds, and
in runs/ a record and a log of each run; weights and images are in experiments/, as always.
"""

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation.results import Record
from ablation.runner import Runner, read_records, seeds_of_records
from ablation.settings import REFERENCES, Setting, ablation_names, missing_data, plan_runs, read_settings
from ablation.tables import plot, table, write_csv
from pages import write_between_marks

from amsnet_basicsr.options.reader import nearest
from amsnet_basicsr.utils.atomic_write import atomic_write

OPTIONS = Path(__file__).resolve().parent.parent / 'options' / 'ablation'


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', nargs='?', metavar='NAME', help='which comparison; see --list')
    parser.add_argument('--list', action='store_true', help='name the comparisons and their settings')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='a run of each setting for each; default: 0')
    parser.add_argument('--only', nargs='+', metavar='SETTING', help='run these settings, and those they start from')
    parser.add_argument('--jobs', type=int, default=1, help='runs at once, of one thread each if several; default: 1')
    parser.add_argument('--root', type=Path, default=Path(), help='folder with datasets/; default: the current one')
    parser.add_argument('--options', type=Path, default=OPTIONS, help='folder that NAME is in; default: %(default)s')
    parser.add_argument('--collect', action='store_true', help='run nothing, tabulate what is finished')
    parser.add_argument('--reference', metavar='SETTING', help='what the table compares the others with')
    parser.add_argument('--write', type=Path, metavar='PAGE', help='put table and plot into this page, between marks')
    args = parser.parse_args(argv)
    if not args.list and args.name is None:
        parser.error(f'NAME is missing; there are: {", ".join(ablation_names(args.options))}')
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds):
        parser.error(f'--seeds must be different whole numbers, got {" ".join(map(str, args.seeds))}')
    return args


def choose(args: argparse.Namespace) -> tuple[dict[str, Setting], str]:
    """Read the settings and find the one to compare with.

    Args:
        args: The command line.

    Returns:
        The settings, and the name of the reference.

    Raises:
        ValueError: If something named isn't there.
    """
    names = ablation_names(args.options)
    if args.name not in names:
        near = nearest(args.name, names)
        hint = f'did you mean {near}?' if near else f'there are: {", ".join(names) or "none"}'
        raise ValueError(f'{args.options} has no comparison {args.name!r}; {hint}')
    settings = read_settings(args.options / args.name)
    reference = args.reference or REFERENCES.get(args.name, next(iter(settings)))
    for name in [*(args.only or []), *([args.reference] if args.reference else [])]:
        if name not in settings:
            raise ValueError(f'{args.name} has no setting {name!r}; there are: {", ".join(settings)}')
    return settings, reference


def check(args: argparse.Namespace, settings: dict[str, Setting]) -> None:
    """Find out now what would fail after hours.

    Args:
        args: The command line.
        settings: The settings.

    Raises:
        ValueError: With what is missing.
    """
    if importlib.util.find_spec('matplotlib') is None:
        raise ValueError("the plot needs matplotlib: pip install -e '.[plots]'")
    if args.write is not None:
        text = args.write.read_text(encoding='utf-8') if args.write.is_file() else ''
        if not all(text.count(mark) == 1 for mark in marks(args.name)):
            raise ValueError(f'--write: {args.write} must have the lines {" and ".join(marks(args.name))}, once each')
    if not args.collect and (missing := missing_data(settings.values(), args.root)):
        raise ValueError(f'{missing}; docs/results/results.md says how to make datasets/sidd, or name another --root')


def marks(name: str) -> tuple[str, str]:
    """The lines of a page between which a comparison's table stands."""
    return f'<!-- measured by scripts/run_ablation.py {name} -->', f'<!-- end of {name} -->'


def collect(
    args: argparse.Namespace, folder: Path, records: Sequence[Record], order: Sequence[str], reference: str
) -> None:
    """Write and print what the finished runs gave.

    Args:
        args: The command line.
        folder: Where table, figures and plot go.
        records: The finished runs.
        order: Names of all settings.
        reference: What the others are compared with.

    Raises:
        ValueError: If the page has no place for it.
    """
    text = table(records, order, reference)
    with atomic_write(folder / 'table.md') as file:
        file.write(f'{text}\n'.encode())
    write_csv(folder / 'results.csv', records)
    plot(folder / 'plot.png', records, order, args.name)
    print(f'{text}\n\nTable, figures and plot: {folder}')
    if args.write is not None:
        plotted = args.write.parent / 'images' / f'ablation_{args.name}.png'
        plotted.parent.mkdir(exist_ok=True)
        with atomic_write(plotted) as file:
            file.write((folder / 'plot.png').read_bytes())
        image = f'![PSNR by setting: {args.name}](images/{plotted.name})'
        write_between_marks(args.write, *marks(args.name), f'\n{text}\n\n{image}\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a comparison.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        The exit status: 1 if a run failed, 130 if stopped.
    """
    args = parse_arguments(argv)
    args.root, args.options = args.root.resolve(), args.options.resolve()
    try:
        if args.list:
            names = ablation_names(args.options)
            if not names:
                raise ValueError(f'{args.options} has no folder with options files')
            for name in names:
                print(f'{name}: {", ".join(read_settings(args.options / name))}')
            return 0
        settings, reference = choose(args)
        check(args, settings)
        folder = args.root / 'results' / 'ablation' / args.name
        runner = Runner(args.root, folder, args.jobs)
        stopped = False
        if not args.collect:
            try:
                runner.do(plan_runs(settings, args.seeds, args.only))
            except KeyboardInterrupt:
                stopped = True
        found = read_records(folder, plan_runs(settings, seeds_of_records(folder)))
        records = [record for record in found.values() if record.figures]
        if records:
            collect(args, folder, records, list(settings), reference)
        else:
            print('No run is finished.')
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    if stopped:
        again = ['python', *sys.argv] if argv is None else ['python scripts/run_ablation.py', *argv]
        print(f'Stopped. To go on: {shlex.join(again) if argv is None else " ".join(again)}')
        return 130
    return 1 if runner.failed else 0


if __name__ == '__main__':
    sys.exit(main())
