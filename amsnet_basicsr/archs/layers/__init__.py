"""Parts of networks, and what is done to whole networks: local means, checkpointed blocks, folded batch norms."""
