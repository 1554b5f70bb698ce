#!/usr/bin/env python3
"""tool_recipes.py FAUNA WORK RECIPES: --config FILE takes any flag from TOML, a run writes run.toml and goes by it again, and
the files in RECIPES are runs that can be started. The model that is compiled is the one of tool_train.sh with 30 characters.
"""
import pathlib
import sys
import tomllib

import fauna_tool

work, recipes = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve()
tool = fauna_tool.Tool(sys.argv[1], work)


def config(text):
    (work / "c.toml").write_text(text)
    return ("--config", "c.toml")


def flags():
    def typed(text, *words):
        return tool.says("type", *config(text), *words)

    assert typed("# a comment\nn-layer = 6\nn-head = 4\nbias = true") == tool.says("type", "--n-layer", 6, "--n-head", 4, "--bias")
    assert ".layers = 3," in typed("n-layer = 6", "--n-layer", 3)
    assert ".layers = 3," in tool.says("type", "--n-layer", 3, *config("n-layer = 6"))
    assert ".dropout = 0.25F" in typed("dropout = 0.25") and ".width = 256" in typed("n-embd = 0x100")
    assert ".vocab = 77," in typed("vocab-size = 77")
    assert typed("") == tool.says("type")
    for text, found in (("n-layer = 'six'", "n-layer = \"six\", expected a whole number"),
                        ("\nn-layer = 6.0", "line 2: n-layer = 6.0, expected a whole number"),
                        ("n-layer = true", "n-layer = true, expected a whole number"),
                        ("n-layer = [6]", "n-layer = [ 6 ], expected a whole number"),
                        ("bias = 1", "bias = 1, expected true or false"),
                        ("dropout = '0.5'", "dropout = \"0.5\", expected a number"),
                        ("dropout = nan", "dropout = nan, expected a number"),
                        ("n-layer.a = 6", "n-layer, a table, expected a whole number"),
                        ("n_layer = 6", "line 1: unknown key n_layer: did you mean n-layer?"),
                        ("[model]\nn-layer = 6", "unknown key model"),
                        ("max-iters = 6", "unknown key max-iters"),
                        ("n-layer = ", "c.toml, line 1: "),
                        ("n-layer = 6\nn-layer = 7", "c.toml, line 2: "),
                        ("n-layer = 0", "--n-layer 0, expected 1 to")):
        tool.refused(found, "type", *config(text))
    # A mistake is one, also where a flag wins.
    tool.refused("[fauna type] c.toml, line 1: n-layer = \"six\"", "type", "--n-layer", 3, *config("n-layer = 'six'"))
    tool.refused("cannot open nowhere.toml", "type", "--config", "nowhere.toml")
    tool.refused("seed = -1, expected a whole number, not negative", "train", *config("seed = -1"))
    tool.refused("data = 1, expected text", "train", *config("data = 1"))
    # Every verb with flags; what is wrong with the value is found after it was taken.
    for verb in ("sample", "generate", "logits", "explain"):
        tool.refused("--threads -3, expected 0 to 4096", verb, "x", *config("threads = -3\n" + ("tokens = '1'\nout = 'x'" if verb == "logits" else "")))
    for verb in ("perplexity", "compare"):
        tool.refused("--threads -3, expected 0 to 4096", verb, "x", "y", *config("threads = -3"))
    tool.refused("ignore-unknown-config = 3, expected true or false", "export", "x", "y", *config("ignore-unknown-config = 3"))
    for stop in ("''", "['a', '']"):
        tool.refused("an empty stop text", "generate", "x", *config(f"prompt = 'a'\nstop = {stop}"))
    tool.refused("stop = [ \"a\", 1 ], expected text", "generate", "x", *config("stop = ['a', 1]"))


def runs():
    letters = "abcdefghijklmnopqrstuvwxyzABCD"
    (work / "text.txt").write_text("".join(letters[i * i * 7 % 30] + letters[i % 30] for i in range(1000)))
    (work / "small.toml").write_text("""
        n-layer = 1
        n-head = 2
        n-embd = 16
        block-size = 16
        dropout = 0.1
        data = "text.txt"
        batch-size = 4
        learning-rate = 1e-2
        max-iters = 12
        eval-interval = 6
        eval-iters = 2
        seed = "18446744073709551615"
    """)

    def train(out, *words):
        """Weights, moments and curves at the end, and the settings."""
        tool.says("train", "--out-dir", out, *words)
        assert not [p for p in (work / out).iterdir() if ".tmp" in p.name]
        checkpoint = (work / out / "last.safetensors").read_bytes()
        return checkpoint[8 + int.from_bytes(checkpoint[:8], "little") :], tomllib.loads((work / out / "run.toml").read_text())

    first, settings = train("first", "--config", "small.toml", "--beta2", 0.95)
    told = tomllib.loads((work / "small.toml").read_text())
    assert {k: settings[k] for k in told} == told and settings["beta2"] == 0.95 and settings["out-dir"] == "first"
    assert "overwrite" not in settings and "model" not in settings and settings["init-from"] == "scratch"
    again, same = train("again", "--config", "first/run.toml")
    assert again == first and same == settings | {"out-dir": "again"}
    tool.refused("first/last.safetensors is of another run", "train", "--config", "first/run.toml")
    other, changed = train("other", "--config", "first/run.toml", "--seed", 5)
    assert other != first and changed == settings | {"out-dir": "other", "seed": 5}
    # What goes on says how it began: the whole run again.
    longer, changed = train("again", "--config", "again/run.toml", "--init-from", "resume", "--max-iters", 20)
    assert changed == settings | {"out-dir": "again", "max-iters": 20}
    assert train("whole", "--config", "again/run.toml") == (longer, changed | {"out-dir": "whole"})
    # An evaluation is no run, and a run that takes a folder takes this file too.
    before = (work / "first/run.toml").read_bytes()
    tool.says("train", "--config", "first/run.toml", "--init-from", "first", "--eval-only")
    assert (work / "first/run.toml").read_bytes() == before
    assert train("first", "--config", "other/run.toml", "--overwrite")[1]["seed"] == 5


def nanogpt():
    """Every file is one that train takes, up to the text, which is not there; and says what nanoGPT's says."""
    files = {p.stem: tomllib.loads(p.read_text()) for p in recipes.glob("nanogpt/*.toml")}
    assert files.keys() == {"shakespeare_char_cpu", "shakespeare_char", "train_gpt2", "finetune_shakespeare", "eval_gpt2"}
    for name in files:
        tool.refused("there is no file nowhere.txt", "train", "--config", recipes / f"nanogpt/{name}.toml", "--data", "nowhere.txt")
    for name, sizes in (("shakespeare_char_cpu", (4, 4, 128, 64, 12, 2000, 1e-3)), ("shakespeare_char", (6, 6, 384, 256, 64, 5000, 1e-3)),
                        ("train_gpt2", (12, 12, 768, 1024, 12, 600000, 6e-4))):
        keys = ("n-layer", "n-head", "n-embd", "block-size", "batch-size", "max-iters", "learning-rate")
        assert tuple(files[name][k] for k in keys) == sizes, name


flags()
nanogpt()
runs()
