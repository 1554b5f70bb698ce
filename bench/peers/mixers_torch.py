"""Peer of bench_mixers.cpp: transformers' mixers of Mamba and Mamba-2 in eager PyTorch, f32, one sequence of 512 rows of
768 columns, forward (without gradients) or forward and backward.

    echo 'segment 1 mamba2_mixer_train' | python mixers_torch.py --threads 2
"""

import argparse
import json
import sys
import time

import torch
from transformers import Mamba2Config, MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

LENGTH, WIDTH = 512, 768


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    x = torch.randn(1, LENGTH, WIDTH)
    mixers = {
        "mamba1": MambaMixer(MambaConfig(hidden_size=WIDTH, num_hidden_layers=1), layer_idx=0),
        "mamba2": Mamba2Mixer(
            Mamba2Config(hidden_size=WIDTH, num_heads=24, head_dim=64, state_size=128, n_groups=1, chunk_size=256, num_hidden_layers=1),
            layer_idx=0,
        ),
    }

    def run(figure):
        mixer = mixers[figure.split("_")[0]]
        if not figure.endswith("_train"):
            with torch.no_grad():
                mixer(x)
            return
        leaf = x.clone().requires_grad_(True)
        mixer.zero_grad(set_to_none=True)
        mixer(leaf).backward(torch.ones_like(x))

    print(json.dumps({"ready": f"torch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        _, count, figure = line.split()
        start = time.perf_counter()
        for _ in range(int(count)):
            run(figure)
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
