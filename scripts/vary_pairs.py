"""More pairs for a student from those that it has: weaker noise, and pictures with more detail in a pixel.

    python scripts/vary_pairs.py datasets/sidd/noisy datasets/sidd/teacher_3 -o datasets/sidd/varied \
        --list datasets/sidd/train.txt

A student that has only ever seen strong noise on smooth crops of large photographs smooths whatever it is given. Three
kinds of pairs go to OUT/noisy and OUT/target, all made of noisy pictures and of what a teacher made of them, and with
`--leaves` a fourth:

- NAME.png: the pair as it is;
- NAME_weak.png: a random share of the noise is left, from none to all;
- small_….png: four targets at half of their size, side by side, which are twice as sharp and free of noise, and on each
  a random share of the noise of another place of the same picture;
- leaves_….png: a drawn picture full of edges and detail (dead_leaves.py) in colours of the targets, and on it a random
  share of a picture's noise.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from dead_leaves import dead_leaves
from picture_lists import picture_names
from tqdm import tqdm

Pair = tuple[np.ndarray, np.ndarray]


def weaken(noisy: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
    """Leave a share of the noise.

    Args:
        noisy: Noisy picture, (H, W, 3), uint8.
        target: What a teacher made of it.
        share: From 0 (the target) to 1 (the noisy picture).

    Returns:
        The picture between the two, (H, W, 3), uint8.
    """
    return cv2.addWeighted(noisy, share, target, 1 - share, 0)


def sharpen(noisy: np.ndarray, target: np.ndarray, share: float, corner: tuple[int, int]) -> Pair:
    """Halve a pair's target, and put noise of full size on it.

    Halving the noisy picture would halve its noise and lose the correlation between its pixels. So the noise is taken
    from the full picture: what the teacher took away in a window of it. (That may hold traces of detail, and belongs to
    another brightness where the picture isn't even: a student for photographs must bear both.)

    Args:
        noisy: Noisy picture, (H, W, 3), uint8, sides even.
        target: What a teacher made of it.
        share: Factor of the noise.
        corner: Top left corner of the window that the noise is from, at most (H/2, W/2).

    Returns:
        Noisy and target, (H/2, W/2, 3), uint8.
    """
    small = cv2.resize(target, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    window = tuple(slice(start, start + side) for start, side in zip(corner, small.shape[:2], strict=True))
    return transplant(noisy[window], target[window], share, small), small


def transplant(noisy: np.ndarray, target: np.ndarray, share: float, picture: np.ndarray) -> np.ndarray:
    """Put a share of a pair's noise on another picture.

    Args:
        noisy: Noisy picture, (H, W, 3), uint8.
        target: What a teacher made of it.
        share: Factor of the noise.
        picture: The picture to put it on, (H, W, 3), uint8.

    Returns:
        The picture with noise, (H, W, 3), uint8.
    """
    noise = noisy.astype(np.float32) - target
    return (picture + share * noise).round().clip(0, 255).astype(np.uint8)


def vary(pairs: Sequence[tuple[str, Pair]], rounds: int, seed: int, leaves: int = 0) -> Iterator[tuple[str, Pair]]:
    """Make all kinds.

    Args:
        pairs: Names without extension, noisy pictures and targets, (H, W, 3), uint8, all of one even size;
            square where there are leaves.
        rounds: How often each pair takes part in a small picture.
        seed: Of the shares, windows, neighbours and leaves.
        leaves: Drawn pictures.

    Yields:
        Names, noisy pictures and targets of that size.
    """
    generator = np.random.default_rng(seed)
    for name, (noisy, target) in pairs:
        yield name, (noisy, target)
        yield f'{name}_weak', (weaken(noisy, target, float(generator.random())), target)
    for number in range(rounds):
        order = generator.permutation(len(pairs))
        for place in range(0, len(order) - 3, 4):
            tiles = []
            for index in order[place : place + 4]:
                noisy, target = pairs[index][1]
                corner = tuple(int(generator.integers(side // 2 + 1)) for side in noisy.shape[:2])
                tiles.append(sharpen(noisy, target, float(generator.random()), corner))
            whole = [np.vstack([np.hstack(row) for row in (kind[:2], kind[2:])]) for kind in zip(*tiles, strict=True)]
            yield f'small_{number}_{place // 4:04}', (whole[0], whole[1])
    for number in range(leaves):
        chosen = [pairs[index][1] for index in generator.choice(len(pairs), 4, replace=False)]
        palette = np.concatenate([target.reshape(-1, 3) for _, target in chosen])
        picture = dead_leaves(chosen[0][0].shape[0], palette, generator)
        share = float(generator.random()) ** 2  # weak noise more often: that detail is not noise is learned there
        yield f'leaves_{number:04}', (transplant(*chosen[0], share, picture), picture)


def read_pairs(noisy: Path, target: Path, names: Sequence[str]) -> list[tuple[str, Pair]]:
    """Read pictures of one size.

    Args:
        noisy: Folder of noisy pictures.
        target: Folder of the teacher's, with the same names.
        names: File names.

    Returns:
        Names without extension, and pairs.

    Raises:
        ValueError: If one is missing, or of another or an odd size.
    """
    pairs = []
    for name in names:
        pair = cv2.imread(str(noisy / name)), cv2.imread(str(target / name))
        for folder, picture in zip((noisy, target), pair, strict=True):
            if picture is None:
                raise ValueError(f'{folder / name}: there is no such picture, or it cannot be read')
            first = pairs[0][1][0] if pairs else picture
            if picture.shape != first.shape or picture.shape[0] % 2 or picture.shape[1] % 2:
                raise ValueError(f'{folder / name}: pictures must be of one size with even sides')
        pairs.append((Path(name).stem, pair))
    return pairs


def main(argv: Sequence[str] | None = None) -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('noisy', type=Path, help='folder of noisy pictures')
    parser.add_argument('target', type=Path, help='folder of what a teacher made of them, with the same names')
    parser.add_argument('-o', '--output', type=Path, required=True, help='folder to write; must not exist')
    parser.add_argument('--list', type=Path, help='text file with the names to take, one a line; default: all *.png')
    parser.add_argument('--rounds', type=int, default=4, help='small pictures that each pair takes part in: 4')
    parser.add_argument('--leaves', type=int, default=0, help='drawn pictures: 0')
    parser.add_argument('--seed', type=int, default=0, help='of what is drawn: 0')
    args = parser.parse_args(argv)
    try:
        names = picture_names(args.list, args.target)
        if len(names) < 4:
            raise ValueError(f'it takes four pictures or more: {len(names)}')
        if args.rounds < 0 or args.leaves < 0:
            raise ValueError(f'--rounds {args.rounds}, --leaves {args.leaves}: choose 0 or more')
        pairs = read_pairs(args.noisy, args.target, names)
        height, width = pairs[0][1][0].shape[:2]
        if args.leaves and (height != width or height < 32):
            raise ValueError(f'{args.noisy}: --leaves takes square pictures of 32x32 or more, not {width}x{height}')
        if args.output.exists():
            raise ValueError(f'{args.output} exists already; choose another -o')
        folders = [args.output / kind for kind in ('noisy', 'target')]
        for folder in folders:
            folder.mkdir(parents=True)
        total = 2 * len(pairs) + args.rounds * (len(pairs) // 4) + args.leaves
        made = vary(pairs, args.rounds, args.seed, args.leaves)
        for name, pair in tqdm(made, total=total, unit='pair', disable=None):
            for folder, picture in zip(folders, pair, strict=True):
                if not cv2.imwrite(str(folder / f'{name}.png'), picture):
                    raise OSError(f'{folder / name}.png cannot be written')
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    print(f'{args.output}: {total} pairs of {len(pairs)}')


if __name__ == '__main__':
    main()
