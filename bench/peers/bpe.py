"""Peer of bpe_mb_s: encodes a text line by line with the `tokenizers` package, one call of encode() a line, on one thread.

    echo 'segment 1' | python bpe.py TOKENIZER_JSON TEXT
"""

import argparse
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # before the package is loaded
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers

import gpt_torch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("text")
    options = parser.parse_args()
    options.threads, options.dtype = 1, "none"
    tokenizer = tokenizers.Tokenizer.from_file(options.tokenizer)
    with open(options.text, encoding="utf-8", newline="") as file:
        lines = file.read().split("\n")

    def encode():
        return float(sum(len(tokenizer.encode(line)) for line in lines))

    gpt_torch.serve(encode, options)


if __name__ == "__main__":
    main()
