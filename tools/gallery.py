"""The zoo as pages of the site: of each family a picture of its blocks, its paper, its file, what it costs and what it learns.

docs/gallery.json has what `tools/fauna explain NAME --json` says of the small model for characters of each family, one a line;
`tools/site --outlines` writes it anew. Everything else is drawn from that, from the headers and from bench/results/families.json.
"""
import html
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUTLINES = ROOT / "docs/gallery.json"
ENDING = "-shakespeare"
STYLE = """<style>
.zoo text { font: 12px ui-monospace, monospace; fill: currentColor } .zoo .what { opacity: .75 } .zoo .n { text-anchor: end; opacity: .75 }
.zoo rect { fill: currentColor; fill-opacity: .04; stroke: currentColor; stroke-opacity: .35 } .zoo .leaf { fill-opacity: .1 }
.paper { white-space: pre-wrap; font-size: .8em }
.zoo polyline { fill: none; stroke: currentColor; stroke-width: 1.5 } .zoo line { stroke: currentColor; stroke-opacity: .2 }
</style>"""
ROW, STEP, WIDTH = 22, 12, 620


def families():
    """Preset -> the header of its family, in the order of their names."""
    found = {"nanogpt-cpu": "fauna/models/gpt.hpp"}
    for file in sorted((ROOT / "tools/src/families").glob("*.cpp")):
        text = file.read_text(encoding="utf-8")
        header = re.search(r"#include <(fauna/models/[a-z0-9_]+\.hpp)>", text)
        for name in re.findall(r'\{"([a-z0-9.-]+' + ENDING + r')"', text):
            found[name] = header[1]
    return dict(sorted(found.items()))


def outline(fauna, preset):
    said = json.loads(subprocess.run([fauna, "explain", preset, "--json"], capture_output=True, text=True, check=True).stdout)
    blocks = [[b["depth"], b["name"], b.get("kind", ""), b.get("in", 0), b.get("out", 0), b["parameters"]] for b in said.pop("blocks")]
    return {"preset": preset} | said | {"blocks": blocks}


def read_outlines():
    return {o["preset"]: o for o in map(json.loads, OUTLINES.read_text(encoding="utf-8").splitlines())}


def write_outlines(fauna, presets):
    lines = [json.dumps(outline(fauna, preset)) for preset in presets]
    new = OUTLINES.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n", encoding="utf-8")
    new.replace(OUTLINES)


def tree(blocks):
    """[block, [its children]], of a list of blocks with depths."""
    top = []
    open_ = []
    for block in blocks:
        node = [block, []]
        del open_[block[0]:]
        (open_[-1][1] if open_ else top).append(node)
        open_.append(node)
    return top


def picture(blocks):
    """Boxes within boxes: a combinator holds its parts, a leaf says what it is, from how many columns to how many, and its parameters."""
    out, at = [], [4]

    def text(x, y, words, kind=""):
        out.append(f'<text x="{x}" y="{y}" class="{kind}">{html.escape(words)}</text>')

    def draw(node, depth):
        (_, name, kind, into, to, parameters), parts = node
        x, width, top = 4 + STEP * depth, WIDTH - 8 - 2 * STEP * depth, at[0]
        place = len(out)
        out.append("")
        at[0] += ROW
        numbers = re.fullmatch(r"[\d ,.]+", name)
        shown = ("layer " if name.isdigit() else "layers ") + name if numbers else "x + …" if name == "+" else name
        text(x + 8, top + 15, " ".join(word for word in (shown, kind) if word))
        if kind:
            text(x + width * 0.56, top + 15, f"{into}" if into == to else f"{into} → {to}", "what")
        if parameters:
            text(x + width - 8, top + 15, f"{parameters:,}", "n")
        for part in parts:
            draw(part, depth + 1)
        if parts:
            at[0] += 4
        out[place] = f'<rect x="{x}" y="{top}" width="{width}" height="{at[0] - top - 2}" rx="4" class="{"" if parts else "leaf"}"/>'

    for node in tree(blocks):
        draw(node, 0)
    return f'<svg class="zoo" viewBox="0 0 {WIDTH} {at[0] + 4}" role="img" aria-label="the tree of blocks">{"".join(out)}</svg>'


def curve(points):
    """Validation loss by update, in nats a character."""
    width, height, lowest, highest = WIDTH, 150, 1.4, 3.0
    last = points[-1][0]
    place = lambda step, loss: f"{40 + (width - 60) * step / last:.1f},{10 + (height - 30) * (highest - min(loss, highest)) / (highest - lowest):.1f}"
    grid = "".join(f'<line x1="40" x2="{width - 20}" y1="{y}" y2="{y}"/><text x="34" y="{float(y) + 4}" class="n">{loss:.1f}</text>'
                   for loss in (1.5, 2.0, 2.5, 3.0) for y in [place(0, loss).split(",")[1]])
    return (f'<svg class="zoo" viewBox="0 0 {width} {height}" role="img" aria-label="validation loss by update">{grid}'
            f'<polyline points="{" ".join(place(*p) for p in points)}"/><text x="{width - 20}" y="{height - 4}" class="n">update {last}</text></svg>')


def paper(header):
    """What the header's first comment says of the family."""
    lines = []
    for line in (ROOT / "include" / header).read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        lines.append(line)
    # Sentences are one line each, so that a browser breaks them; formulas, which are indented, stay as they are.
    return re.sub(r"\n(?! )", " ", "\n".join(line[3:] for line in lines))


def learnt():
    """Header and small model's type -> the run of seed 0 with the lowest loss."""
    best = {}
    for run in json.loads((ROOT / "bench/results/families.json").read_text(encoding="utf-8")):
        if run["seed"] == 0 and (run["family"] not in best or run["loss"] < best[run["family"]]["loss"]):
            best[run["family"]] = run
    return best


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def page(preset, header, said, run):
    name = preset.removesuffix(ENDING)
    rows = [("parameters", f"{said['parameters']:,}"), ("parameters that a token meets", f"{said['active_parameters']:,}"),
            ("FLOPs of a token, forward", f"{said['flops_per_token']:,.0f}"), ("weights in f32", f"{said['weight_bytes']:,} bytes"),
            (f"cache of {said['context']:,} tokens", f"{said['cache_bytes']:,} bytes")]
    text = [f"# {name}", "", STYLE, "", f'<pre class="paper">{html.escape(paper(header))}</pre>', "",
            f"[{header}](../../include/{header}). The small model for characters, `tools/fauna train --model {preset}`:", "",
            "| it has | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows), "", picture(said["blocks"]), "", "## Tiny Shakespeare", ""]
    if run:
        text += [f"Validation loss {run['loss']:.3f} nats a character after 1.5 M tokens (seed 0, learning rate {run['rate']:g}, {run['date']}; "
                 "[all families](../families.md)).", "", curve(run["curve"])]
    else:
        text += ["Not trained yet."]
    return "\n".join(text) + "\n"


def pages():
    """Path under docs/gallery -> text: an index, and a page for each family."""
    runs = {plain(family): run for family, run in learnt().items()}
    runs["nanogptcpu"] = runs.get("gpt")
    outlines, written, rows = read_outlines(), {}, []
    for preset, header in families().items():
        said, name = outlines[preset], preset.removesuffix(ENDING)
        run = runs.get(plain(name))
        written[f"{name}.md"] = page(preset, header, said, run)
        kinds = dict.fromkeys(block[2] for block in said["blocks"] if block[2] and block[2] not in ("Linear", "Embedding", "LmHead"))
        rows.append("| [{0}]({0}.md) | {1:,} | {2} | {3} |".format(name, said["active_parameters"], ", ".join(kinds), f"{run['loss']:.3f}" if run else "–"))
    written["index.md"] = ("# The zoo\n\nEach family by its small model for characters: the parameters that a token meets, the blocks beside "
                           "matrices, and the validation loss on Tiny Shakespeare where it has been trained.\n\n"
                           "| family | parameters | blocks | loss |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return written
