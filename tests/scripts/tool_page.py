#!/usr/bin/env python3
"""tool_page.py FAUNA WORK MODELS: the page of tools/fauna serve in a headless Chromium, as a person uses it: by keyboard and
mouse, in light and dark. Texts and probabilities are those that the API gives. The model is a tiny random mamba, once with a chat
template and once without. Pictures of the page are left in WORK. Not run where there is no Chromium.
"""
import pathlib
import sys

import chromium
from fauna_tool import Tool
from serving import Server, directory

if chromium.program is None:
    print("no chromium here (Debian: apt-get install chromium): not run")
    sys.exit()

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(fauna, work)
busy = "document.body.classList.contains('busy')"
key = {"Authorization": "Bearer open-sesame"}


def ident(name):
    return f"document.getElementById('{name}')"


def fill(page, name, text):
    page.value(f"{ident(name)}.value = '{text}', {ident('settings')}.oninput()")


def texts(page):
    return page.value("[...document.querySelectorAll('article .text')].map(t => t.textContent)")


def says(page, words, turns):
    """Types a message, sends it, and waits for the answer: the texts of all turns."""
    page.value(f"{ident('words')}.focus()")
    page.types(words)
    page.key("Enter")
    page.until(f"document.querySelectorAll('article').length == {turns} && !{busy}")
    return texts(page)


def answer(server, messages, **more):
    """What the API gives."""
    turns = [{"role": "assistant" if i % 2 else "user", "content": m} for i, m in enumerate(messages)]
    body = {"messages": [{"role": "system", "content": "b"}, *turns], "temperature": 0.9, "top_p": 0.95, "seed": 3, "max_tokens": 24}
    return server.ask("/v1/chat/completions", body | more, key)["choices"][0]


def door(page, server):
    """Without a key there is a field for it; a wrong one is told."""
    page.go(f"http://127.0.0.1:{server.port}/")
    page.until("document.activeElement.id == 'key'")
    page.types("wrong")
    page.key("Enter")
    page.until("document.getElementById('trouble').innerText.includes('not one of this server')")
    page.value(f"{ident('key')}.focus()")
    page.types("open-sesame")
    page.key("Enter")
    page.until("document.title == 'tiny'")
    assert page.value("['door', 'trouble'].every(id => document.getElementById(id).hidden) && document.activeElement.id == 'words'")


def talk(page, server):
    page.click(ident("tune"))
    assert page.value("document.activeElement.id") == "temperature"
    page.value("document.activeElement.select()")
    page.types("0.9")
    for name, value in (("seed", "3"), ("max_tokens", "24"), ("system", "b")):
        fill(page, name, value)
    page.picture(work / "settings.png")
    page.key("Escape")
    assert page.value("document.getElementById('settings').hidden && document.activeElement.id == 'tune'")

    first = answer(server, ["us"], logprobs=True, top_logprobs=5)
    said = says(page, "us", 2)
    assert said == ["us", first["message"]["content"]], (said, first)
    second = answer(server, [*said, "a\nb"])["message"]["content"]
    page.types("a")
    page.key("Enter", modifiers=8)  # Shift: a new line
    assert page.value(f"{ident('words')}.value.startsWith('a\\n')")
    said = says(page, "b", 4)
    assert said[2:] == ["a\nb", second], (said, second)

    # Pointing at a token, and walking over tokens by key: the likeliest in its place.
    page.point("document.querySelector('.token')")
    told = page.until("document.querySelector('#tip:not([hidden])')?.innerText")
    page.picture(work / "light.png")
    content = first["logprobs"]["content"]
    page.value("document.querySelector('.token').closest('.text').focus()")
    page.key("ArrowRight")  # from where one points
    walked = page.value("document.getElementById('tip').innerText"), page.value("document.getElementById('says').textContent")
    for token, text in ((content[0], told), (content[1], walked[0])):
        rows = [round(100 * 2.718281828459045 ** t["logprob"], 1) for t in token["top_logprobs"] if t["logprob"] > -4]
        assert rows and all(f"{p:.1f} %" in text for p in rows), (rows, text)
    assert walked[1].startswith(walked[0].split("\n")[0].split(":")[0]) and "%" in walked[1], walked
    page.key("Escape")
    assert page.value("document.getElementById('tip').hidden")

    # Again: the same seed, the same answer. Another message in the first one's place: what came after it is gone.
    page.click("[...document.querySelectorAll('.assistant button')].at(-1)")
    page.until(f"!{busy}")
    assert texts(page) == said
    page.click("document.querySelector('.user button')")
    assert page.value("document.activeElement.value") == "us"
    page.key("Escape")
    assert page.value("document.activeElement.textContent") == "Edit" and texts(page) == said
    page.key("Enter")
    page.value("document.activeElement.select()")
    page.types("mama")
    page.key("Enter")
    page.until(f"document.querySelectorAll('article').length == 2 && !{busy}")
    assert texts(page) == ["mama", answer(server, ["mama"])["message"]["content"]]

    # A new conversation; stop, where the likeliest text does not end by itself.
    page.click(ident("fresh"))
    assert texts(page) == []
    endless = next(w for w in ("er", "us", "a", "c", "mama", "tin", "hell") if
                   answer(server, [w], temperature=0, max_tokens=3000)["finish_reason"] == "length")
    fill(page, "max_tokens", "")
    fill(page, "temperature", "0")
    page.value(f"{ident('words')}.focus()")
    page.types(endless)
    page.key("Enter")
    page.until(f"{busy} && document.querySelectorAll('article .text')[1]?.textContent.length > 20")
    page.click(ident("stop"))
    page.until(f"!{busy}")
    assert "stopped" in page.value("document.querySelectorAll('article')[1].innerText")
    assert page.value("document.activeElement.id") == "words"

    # What cannot be asked is not, and what the server refuses is told.
    fill(page, "temperature", "3")
    page.value(f"{ident('words')}.focus()")
    page.types("c")
    page.key("Enter")
    assert page.value("document.activeElement.id") == "temperature" and page.value("document.getElementById('temperature').matches(':invalid')")
    fill(page, "temperature", "0.9")
    page.click(ident("fresh"))
    fill(page, "max_tokens", "24")


def by_keyboard_and_ear(page):
    """The order of what has the focus, and a name for all of it."""
    assert not page.value("document.getElementById('settings').hidden")
    page.click(ident("tune"))
    page.value("document.getElementById('fresh').focus()")
    order = []
    for _ in range(5):
        order.append(page.value("document.activeElement.id"))
        page.key("Tab")
    assert order[:3] == ["fresh", "tune", "dark"] and "words" in order, order
    page.click(ident("tune"))
    nodes = [n for n in page.does("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
    named = {n["name"]["value"] for n in nodes if n["role"]["value"] in ("button", "textbox", "spinbutton", "checkbox", "main", "form")}
    assert len(named) >= 13 and all(named), named
    assert {"status", "main", "navigation", "heading"} <= {n["role"]["value"] for n in nodes}
    page.click(ident("tune"))


def light_and_dark(page, server):
    def brightness():
        return page.value("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b)")

    says(page, "er", 2)
    assert brightness() > 600
    page.does("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.until("document.getElementById('dark').getAttribute('aria-pressed') == 'true'")
    assert brightness() < 150
    page.point("document.querySelector('.token')")
    page.picture(work / "dark.png")
    page.click(ident("dark"))
    assert brightness() > 600
    page.go(f"http://127.0.0.1:{server.port}/")  # it is kept, as the settings are, and the key
    page.until("document.title == 'tiny'")
    assert brightness() > 600 and page.value(f"{ident('seed')}.value") == "3"


directory(models / "mamba", work / "mamba")
(work / "keys").write_text("open-sesame\n")
with Server(tool, work / "mamba", "--name", "tiny", "--api-key-file", "keys", "--context", 10000000) as served, chromium.Page(work / "browser") as shown:
    door(shown, served)
    talk(shown, served)
    by_keyboard_and_ear(shown)
    light_and_dark(shown, served)
    # It asks nobody but its server, and the browser finds nothing to complain of.
    assert all(url.startswith((f"http://127.0.0.1:{served.port}/", "data:")) for url in shown.asked), shown.asked
    assert all("401" in c for c in shown.complaints), shown.complaints

directory(models / "mamba", work / "plain", chat=False)
with Server(tool, work / "plain") as served, chromium.Page(work / "browser2", (400, 700)) as shown:
    shown.go(f"http://127.0.0.1:{served.port}/")
    shown.until("document.title == 'plain'")
    for field, text in (("seed", "3"), ("max_tokens", "20")):
        shown.value(f"{ident(field)}.value = '{text}'")
    want = served.ask("/v1/completions", {"prompt": "us er", "temperature": 0.7, "top_p": 0.95, "seed": 3, "max_tokens": 20})["choices"][0]["text"]
    assert says(shown, "us er", 2) == ["us er", want] and "no chat template" in shown.value("document.body.innerText")
    assert shown.value("document.querySelectorAll('.token').length > 3 && document.documentElement.scrollWidth <= innerWidth")
    shown.picture(work / "narrow.png")
