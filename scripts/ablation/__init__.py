"""Parts of scripts/run_ablation.py."""
