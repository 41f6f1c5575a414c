"""Write options/{train,finetune,test}_amsnet_{nafnet,deamnet,unet,dncnn}.yml from those for Restormer.

    python scripts/make_arch_options.py

BasicSR reads one file and no base, so each must be complete. What they share is said and explained in
options/*_amsnet_restormer.yml; the networks are those of options/ablation/table4_paper.yml.
"""

import argparse
import re
from pathlib import Path

import yaml

from amsnet_basicsr.options.settings import read_comparison

FOLDER = Path(__file__).resolve().parent.parent / 'options'
NETWORKS = {'nafnet': 'NAFNet (its GELU and SE baseline)', 'deamnet': 'DeamNet', 'unet': 'UNet', 'dncnn': 'DnCNN'}
STAGES = {
    'train': 'AMSNet-B with {name} on SIDD-Medium, as in the paper',
    'finetune': 'AMSNet-P with {name}: fine-tunes the weights of options/train_amsnet_{word}.yml',
    'test': 'Test AMSNet with {name} on the SIDD validation set (1280 pairs)',
}


def render(stage: str, word: str) -> str:
    """Write the options of one stage and network."""
    setting = read_comparison(FOLDER / 'ablation' / 'table4_paper.yml').settings[word].options
    network = yaml.safe_dump({'network_g': setting['network_g']}, sort_keys=False, default_flow_style=None, width=120)
    model = FOLDER / f'{stage}_amsnet_restormer.yml'
    head, plugin, text = model.read_text(encoding='utf-8').partition('plugin:')
    schema = ''.join(re.findall(r'^# yaml-language-server.*\n', head, flags=re.MULTILINE))
    text = plugin + re.sub(r'^ *#.*\n| +#.*', '', text, flags=re.MULTILINE)
    text = text.replace('_amsnet_restormer', f'_amsnet_{word}')
    text = text.replace('  accumulate: 4\n', '')  # a batch of 8 fits into 24 GB, and BatchNorm wants it whole
    text = text.replace('batch_size_per_gpu: 2\n', 'batch_size_per_gpu: 4\n')  # fine-tuning: official configurations
    text = re.sub(r'^network_g:\n(  .*\n)+', network, text, flags=re.MULTILINE)
    origin = f'Written by scripts/make_arch_options.py from {model.name}, which explains it: change that.'
    return f'{schema}# {STAGES[stage].format(name=NETWORKS[word], word=word)}.\n# {origin}\n{text}'


def render_all() -> dict[str, str]:
    """Write all options, by file name."""
    return {f'{stage}_amsnet_{word}.yml': render(stage, word) for word in NETWORKS for stage in STAGES}


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name, content in render_all().items():
        (FOLDER / name).write_text(content, encoding='utf-8')
        print(FOLDER / name)
