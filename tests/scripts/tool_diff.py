#!/usr/bin/env python3
"""tool_diff.py FAUNA WORK: two models beside each other, and a model's tree as JSON."""
import json
import pathlib
import re
import sys

from fauna_tool import Tool

tool = Tool(sys.argv[1], pathlib.Path(sys.argv[2]))


def rows(text):
    """The lines of each part, by its first word."""
    parts = re.split(r"^(settings|blocks|costs)[^\n]*\n", text, flags=re.MULTILINE)[1:]
    return {name: [re.split(r"  +", line.strip()) for line in lines.splitlines() if line.strip()] for name, lines in zip(parts[::2], parts[1::2])}


outline = json.loads(tool.says("explain", "gpt2", "--json"))
assert outline["parameters"] == outline["active_parameters"] == 124439808 and outline["weight_bytes"] == 4 * 124439808, outline
assert outline["context"] == 1024 and outline["cache_bytes"] == 2 * 12 * 1024 * 768 * 4, outline
blocks = outline["blocks"]
assert sum(b["parameters"] for b in blocks if b["depth"] == 0) == 124439808, blocks
(attention,) = [b for b in blocks if b["name"] == "c_attn"]
assert (attention["kind"], attention["in"], attention["out"], attention["parameters"]) == ("Linear", 768, 2304, 768 * 2304 + 2304), attention

alike = tool.says("diff", "gpt2", "gpt2")
assert rows(alike)["settings"] == [["alike"]] and rows(alike)["blocks"] == [["alike"]], alike
assert all(row[-1] == "1" for row in rows(alike)["costs"][1:]), alike

seen = rows(tool.says("diff", "gpt2", "gpt2-medium"))
assert seen["settings"][1:] == [["layers", "12", "24"], ["heads", "12", "16"], ["width", "768", "1024"]], seen
assert all(row[0].startswith("~ ") or row[0] == "~" for row in seen["blocks"]), seen
assert ["~", "0 .. 11 | 0 .. 23", "7,087,872", "12,596,224"] in seen["blocks"], seen
assert ["parameters", "124,439,808", "354,823,168", "2.85"] in seen["costs"], seen

text = tool.says("diff", "mamba-shakespeare", "gpt2", "--all")
seen = rows(text)
assert "costs, at 1024 tokens" in text and ["family", "mamba", "gpt"] in seen["settings"], text
assert [row for row in seen["blocks"] if row[0] == "-" and row[1].startswith("mixer")], seen
assert [row for row in seen["blocks"] if row[0] == "+" and row[1] == "attn"], seen

tool.refused("the model 'gpt3'", "diff", "gpt2", "gpt3")
tool.refused("other is required", "diff", "gpt2")
