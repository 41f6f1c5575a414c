"""Measure every network at the paper's size and write the table of docs/extend/archs.md.

    python scripts/measure_archs.py                                    # print, all but the time
    python scripts/measure_archs.py --time --write docs/extend/archs.md       # on an idle machine

Multiply-adds are those of convolutions and matrix products, counted without running them. The receptive field is found
by letting NaN into the input: what it reaches depends on it.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import torch
from benchmarks.measure import count_operations, median_seconds
from page import table, write_between_marks
from torch import nn

from amsnet_basicsr.archs import ARCHS

#: Fewer channels don't change the receptive field, but the time to find it.
NARROW: dict[str, dict[str, Any]] = {
    'DBSNl': {'base_ch': 4},
    'DnCNN': {'nc': 4},
    'NAFNet': {'width': 4},
    'NAFNetBaseline': {'width': 4},
    'Restormer': {'dim': 8},
    'UNet': {'n_feature': 4},
}
BEGIN, END = '<!-- measured by scripts/measure_archs.py -->', '<!-- end of what is measured -->'


def count_parameters(net: nn.Module) -> int:
    """Count the learned parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds_per_pixel(name: str, size: int = 256) -> float:
    """Count the multiply-adds of one pass, per pixel."""
    with torch.device('meta'):
        net, x = ARCHS[name]().eval(), torch.empty(1, 3, size, size)
        return count_operations(lambda: net(x)) / 2 / size**2


@torch.no_grad()
def receptive_field(net: nn.Module, widest: int = 1024) -> int | None:
    """Measure how wide the area is that an output pixel depends on.

    Columns of NaN from one side show how far that side reaches. In a U-shaped network pixels see further or less far
    depending on where they lie between the coarse pixels; the widest counts.
    """
    # In double precision, as faster convolutions for single may transform blocks of pixels, which spreads NaN further.
    net = net.double()
    period = net.size_multiple

    def reached(width: int, columns: slice) -> torch.Tensor:
        x = torch.zeros(1, 3, max(period, 8), width, dtype=torch.double)
        x[..., columns] = math.nan
        return net(x).isnan().flatten(0, 2).any(dim=0)  # (W,)

    width = 128
    while reached(width, slice(0, width // 2 + period))[-1]:
        width *= 2
        if width > widest:
            return None
    middle = width // 2 // period * period
    # Which output columns depend on something left of c, and which on something from c on.
    left = [reached(width, slice(0, c)) for c in range(middle, middle + period + 1)]
    right = [reached(width, slice(c, None)) for c in range(middle, middle + period + 1)]
    first: dict[int, int] = {}  # by position in the period: first column seen, relative to the pixel
    last: dict[int, int] = {}
    for shift in range(period):
        # The first column that a pixel sees is the one with which NaN from the left reaches it.
        for column in (left[shift + 1] & ~left[shift]).nonzero().flatten().tolist():
            first[column % period] = middle + shift - column
        for column in (right[shift] & ~right[shift + 1]).nonzero().flatten().tolist():
            last[column % period] = middle + shift - column
    return max(last[phase] - first[phase] + 1 for phase in first)


@torch.inference_mode()
def seconds_per_megapixel(net: nn.Module, size: int, repeats: int) -> float:
    """Time one pass on a small image and extrapolate."""
    x = torch.rand(1, 3, size, size)
    return median_seconds(lambda: net(x), repeats) / size**2 * 1e6


def measure(size: int, repeats: int, timed: bool) -> str:
    """Measure all networks and write the table."""
    times = {name: seconds_per_megapixel(arch().eval(), size, repeats) for name, arch in ARCHS.items() if timed}
    rows = []
    for name, arch in ARCHS.items():
        net = arch()
        field = receptive_field(arch(**NARROW.get(name, {})).eval())
        multiply_adds = multiply_adds_per_pixel(name)
        cells = [
            f'`{name}`',
            f'{count_parameters(net) / 1e6:.2f} M',
            f'{multiply_adds / 1e3:,.0f} k',
            net.size_multiple,
            f'{field} px' if field else 'global',
            f'{times[name] / times["UNet"]:.2f}' if timed else '–',
        ]
        rows.append((multiply_adds, cells))
    head = [
        'network',
        'parameters',
        'multiply-adds per pixel',
        'size multiple',
        'receptive field',
        'CPU time (UNet = 1)',
    ]
    text = table(head, [cells for _, cells in sorted(rows, key=lambda row: row[0], reverse=True)])
    if timed:
        text += (
            f'\n\nTime per megapixel, extrapolated from {size}×{size} images in float32 with {torch.get_num_threads()} '
            f'thread(s), median of {repeats} passes; UNet takes {times["UNet"]:.1f} s here.'
        )
    return text


def main() -> None:
    """Measure and print, or write into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--time', action='store_true', help='measure the CPU time too')
    parser.add_argument('--size', type=int, default=128, help='side of the image for the time, a multiple of 32')
    parser.add_argument('--repeats', type=int, default=5, help='timed passes of each network')
    parser.add_argument('--threads', type=int, help="threads for the time; default: PyTorch's")
    parser.add_argument('--write', type=Path, metavar='PAGE', help='replace the table in this Markdown page')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    text = measure(args.size, args.repeats, args.time)
    if args.write:
        try:
            write_between_marks(args.write, BEGIN, END, text)
        except (ValueError, OSError) as error:
            sys.exit(str(error))
    else:
        print(text)


if __name__ == '__main__':
    main()
