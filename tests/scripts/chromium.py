"""A headless Chromium, driven by the DevTools protocol over a pair of pipes (--remote-debugging-pipe)."""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """The one page of a browser; what it logs and throws is in `complaints`."""

    def __init__(self, folder, size=(1000, 800)):
        (theirs_in, self.to), (self.since, theirs_out) = os.pipe(), os.pipe()

        def at_3_and_4():  # where Chromium looks for them
            spare = os.dup(theirs_out)
            os.dup2(theirs_in, 3)
            os.dup2(spare, 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--force-color-profile=srgb", "--remote-debugging-pipe",
                 f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen([program, *flags], pass_fds=(3, 4), preexec_fn=at_3_and_4, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.rest, self.count, self.session, self.complaints, self.asked = b"", 0, None, [], []
        targets = self.does("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.does("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.does(f"{domain}.enable")
        self.does("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, AssertionError):
            self.session = None
            self.does("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def hear(self, seconds):
        """The next message."""
        while b"\0" not in self.rest:
            assert select.select([self.since], [], [], seconds)[0], "the browser says nothing"
            data = os.read(self.since, 1 << 20)
            assert data, "the browser is gone"
            self.rest += data
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def does(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        os.write(self.to, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while (heard := self.hear(60)).get("id") != self.count:
            self.note(heard.get("method"), heard.get("params"))
        assert "error" not in heard, (method, heard)
        return heard["result"]

    def note(self, method, event):
        if method == "Log.entryAdded":
            self.complaints.append(event["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(event["exceptionDetails"]["exception"].get("description"))
        elif method == "Network.requestWillBeSent":
            self.asked.append(event["request"]["url"])

    def value(self, expression):
        """Of JavaScript, as JSON."""
        result = self.does("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result)
        return result["result"].get("value")

    def until(self, expression, seconds=20):
        """Waits until it is true; its value."""
        end = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < end, (expression, self.value("document.body.innerText"), self.complaints)
            time.sleep(0.02)
        return value

    def go(self, url):
        self.does("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def key(self, key, code=None, modifiers=0):
        """A key with a name, as a person presses it: Enter, Tab, Escape, ArrowRight; 8: with Shift."""
        number = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}[key]
        more = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.does("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, windowsVirtualKeyCode=number, modifiers=modifiers,
                      **(more if kind == "keyDown" else {}))

    def types(self, text):
        self.does("Input.insertText", text=text)

    def point(self, element):
        """Moves the mouse to an element, which is an expression."""
        x, y = self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({element}.getBoundingClientRect())")
        self.does("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        return x, y

    def click(self, element):
        x, y = self.point(element)
        for kind in ("mousePressed", "mouseReleased"):
            self.does("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.does("Page.captureScreenshot", format="png")["data"]))
