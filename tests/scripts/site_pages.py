#!/usr/bin/env python3
"""site_pages.py SOURCE WORK FAUNA: the site is built, no link in it leads nowhere, each family of the zoo has a page with its picture, and
what the gallery knows of some of them is what `fauna explain` says. Not run where MkDocs is not installed.
"""
import html.parser
import pathlib
import shutil
import subprocess
import sys
import urllib.parse

source, work, fauna = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).absolute(), sys.argv[3]
sys.path.insert(0, str(source / "tools"))
import gallery  # noqa: E402

families, outlines = gallery.families(), gallery.read_outlines()
assert len(families) > 50 and list(outlines) == list(families), set(outlines) ^ set(families)
for preset in ("llama-shakespeare", "jamba-shakespeare"):
    said = gallery.outline(fauna, preset)
    assert said == outlines[preset], f"docs/gallery.json has another {preset}: tools/site --outlines\n{said}"
if not shutil.which("mkdocs"):
    print("MkDocs is not installed (tools/setup site): the site is not run")
    sys.exit()

shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
subprocess.run([source / "tools/site", "--out", work / "site"], check=True)
site = work / "site"


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.parts, self.boxes = [], set(), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.parts.add(attributes.get("id"))
        self.boxes += tag == "rect"
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]


pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
wrong, checked = [], 0
for path, page in pages.items():
    for link in page.links:
        address = urllib.parse.urlsplit(link)
        if address.scheme in ("https", "http", "mailto", "data"):
            wrong += [f"{path}: asks {link}"] if address.scheme.startswith("http") and link.endswith((".js", ".css", ".woff2")) else []
            continue
        there = (path.parent / urllib.parse.unquote(address.path)).resolve() if address.path else path
        checked += 1
        if not there.exists() or (address.fragment and there in pages and urllib.parse.unquote(address.fragment) not in pages[there].parts):
            wrong.append(f"{path.relative_to(site)}: {link}")
assert checked > 1000 and not wrong, "\n".join(sorted(set(wrong)))
for preset in families:
    page = pages[site / f"gallery/{preset.removesuffix(gallery.ENDING)}.html"]
    assert page.boxes == len(outlines[preset]["blocks"]), f"{preset}: {page.boxes} boxes of {len(outlines[preset]['blocks'])} blocks"
print(f"{len(pages)} pages, {checked} links, {len(families)} families")
