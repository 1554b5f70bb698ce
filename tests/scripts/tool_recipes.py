#!/usr/bin/env python3
"""tool_recipes.py FAUNA WORK RECIPES: --config FILE takes any flag from TOML, a run writes run.toml and goes by it again, and
the files in RECIPES are runs that can be started. The model that is compiled is the one of tool_train.sh with 30 characters.
"""
import pathlib
import shutil
import subprocess
import sys

fauna, work, recipes = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])


def run(*words):
    done = subprocess.run([fauna, *map(str, words)], capture_output=True, check=False, cwd=work)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def succeeds(*words):
    status, said, errors = run(*words)
    assert status == 0, f"{words}: {errors}"
    return said


def refused(message, *words):
    status, _, errors = run(*words)
    assert status != 0 and message in errors and "compil" not in errors, f"{words}: {status}, {errors}, not {message}"


def config(text):
    (work / "c.toml").write_text(text)
    return ("--config", "c.toml")


def flags():
    def typed(text, *words):
        return succeeds("type", *config(text), *words)

    assert typed("# a comment\nn-layer = 6\nn-head = 4\nbias = true") == succeeds("type", "--n-layer", 6, "--n-head", 4, "--bias")
    assert ".layers = 3," in typed("n-layer = 6", "--n-layer", 3)
    assert ".layers = 3," in succeeds("type", "--n-layer", 3, *config("n-layer = 6"))
    assert ".dropout = 0.25F" in typed("dropout = 0.25") and ".width = 256" in typed("n-embd = 0x100")
    assert ".vocab = 77," in typed("vocab-size = 77")
    assert typed("") == succeeds("type")
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
        refused(found, "type", *config(text))
    # A mistake is one, also where a flag wins.
    refused("[fauna type] c.toml, line 1: n-layer = \"six\"", "type", "--n-layer", 3, *config("n-layer = 'six'"))
    refused("cannot open nowhere.toml", "type", "--config", "nowhere.toml")
    refused("seed = -1, expected a whole number, not negative", "train", *config("seed = -1"))
    refused("data = 1, expected text", "train", *config("data = 1"))
    # Every verb with flags; what is wrong with the value is found after it was taken.
    for verb in ("sample", "generate", "logits", "explain"):
        refused("--threads -3, expected 0 to 4096", verb, "x", *config("threads = -3\n" + ("tokens = '1'\nout = 'x'" if verb == "logits" else "")))
    for verb in ("perplexity", "compare"):
        refused("--threads -3, expected 0 to 4096", verb, "x", "y", *config("threads = -3"))
    refused("ignore-unknown-config = 3, expected true or false", "export", "x", "y", *config("ignore-unknown-config = 3"))
    for stop in ("''", "['a', '']"):
        refused("an empty stop text", "generate", "x", *config(f"prompt = 'a'\nstop = {stop}"))
    refused("stop = [ \"a\", 1 ], expected text", "generate", "x", *config("stop = ['a', 1]"))


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
flags()
