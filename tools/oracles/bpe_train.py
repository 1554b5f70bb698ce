"""Writes tests/golden/bpe_trained.json: vocabularies that the `tokenizers` package learns from a small odd text.

    python tools/oracles/bpe_train.py
"""

import json
import pathlib
import random
import tempfile

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/bpe_trained.json"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
PATTERNS = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama3": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"), BYTES]),
}


def main():
    draw = random.Random(3)
    parts = ["a", "aa", "aaa", "ab", "abc", "bc", "c", "é", "éé", "日", "日本", "本", " ", "  ", "\t", "12", "1", "!", "!!", "'s"]
    lines = ["".join(draw.choices(parts, k=draw.randint(1, 14))) + draw.choice(["\n", "\r\n", "\n\n"]) for _ in range(150)]
    text = "".join(lines)
    learnt = []
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        for pattern, vocab, least, special in (
            ("gpt2", 330, 0, []),
            ("gpt2", 5000, 0, ["<|endoftext|>"]),
            ("gpt2", 5000, 4, ["<|endoftext|>", "<s>"]),
            ("llama3", 420, 0, ["<|end|>"]),
        ):
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = PATTERNS[pattern]
            trainer = trainers.BpeTrainer(
                vocab_size=vocab,
                min_frequency=least,
                special_tokens=special,
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
            tokenizer.train([file.name], trainer)
            model = json.loads(tokenizer.to_str())["model"]
            ids = sorted(model["vocab"], key=model["vocab"].get)
            merges = [" ".join(m) for m in model["merges"]]
            learnt.append({"pattern": pattern, "vocab": vocab, "least": least, "special": special, "tokens": ids, "merges": merges})
    GOLDEN.write_text(json.dumps({"text": text, "learnt": learnt}, ensure_ascii=False, indent=0) + "\n")
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size} bytes, {[len(t['tokens']) for t in learnt]} tokens")


main()
