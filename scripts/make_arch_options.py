"""Write the options of the paper's experiment for each denoiser but Restormer.

    python scripts/make_arch_options.py

What is common is said once, and explained, in options/{train,finetune,test}_amsnet_restormer.yml: the files for the
other networks are those with another `network_g`, without the comments. A test makes sure that they are.
"""

import re
from pathlib import Path

from make_ablation_options import TABLE4, network_block, write_files

FOLDER = Path(__file__).resolve().parent.parent / 'options'

#: The networks by the word in file names, which is that of `TABLE4` too, and what the paper calls them.
NETWORKS = {'nafnet': "NAFNet (the paper's: its GELU and SE baseline)", 'deamnet': 'DeamNet', 'unet': 'UNet',
            'dncnn': 'DnCNN'}  # fmt: skip
STAGES = {
    'train': 'AMSNet-B with {name} on SIDD-Medium, as in the paper',
    'finetune': 'AMSNet-P with {name}: fine-tunes what options/train_amsnet_{word}.yml gave, with the smoothness loss',
    'test': 'Test AMSNet with {name} on the SIDD validation set (1280 pairs)',
}


def render(stage: str, word: str) -> str:
    """Write the options of one network.

    Args:
        stage: Key of `STAGES`.
        word: Key of `NETWORKS`.

    Returns:
        The options file.
    """
    experiment = TABLE4[word]
    model = FOLDER / f'{stage}_amsnet_restormer.yml'
    lines = [line for line in model.read_text(encoding='utf-8').splitlines() if not line.lstrip().startswith('#')]
    text = '\n'.join(re.sub(r' +# .*', '', line) for line in lines) + '\n'
    text = text.replace('_amsnet_restormer', f'_amsnet_{word}')
    text = re.sub(r'(batch_size_per_gpu:) \d+', rf'\1 {experiment.batch}', text)
    network = f'network_g:\n{network_block(experiment.network)}\n'
    text, count = re.subn(r'^network_g:\n(  .*\n)+', network, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f'{model}: no network_g to replace')
    title = STAGES[stage].format(name=NETWORKS[word], word=word)
    origin = f'Written by scripts/make_arch_options.py from {model.name}, which explains it: change that.'
    return f'# {title}.\n# {origin}\n{text}'


def render_all() -> dict[str, str]:
    """Write all options.

    Returns:
        The contents by file name.
    """
    return {f'{stage}_amsnet_{word}.yml': render(stage, word) for word in NETWORKS for stage in STAGES}


if __name__ == '__main__':
    write_files(__doc__.splitlines()[0], render_all(), FOLDER)
