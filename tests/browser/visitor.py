"""A person with a browser, who notices what must never happen: a dialog, a script's error, a broken policy, a request to elsewhere."""
import os
import pathlib
import urllib.parse

from axe_playwright_python.sync_playwright import Axe

SCREENSHOTS = pathlib.Path(os.environ["BROWSER_TEST_SCREENSHOTS"])
# The page of an idle mirror is asked for every 10 s, and again 10 s after a failure; a busy machine takes longer.
WAIT_MS = 30_000
WIDTHS = {"phone": 360, "tablet": 768, "desktop": 1280}
SCHEMES = ("light", "dark")
# Axe takes a while: it sees each scheme once, and the narrowest and the widest.
AXE = (("phone", "light"), ("desktop", "dark"))


class Visitor:
    def __init__(self, browser, origin, width="desktop", **options):
        self.origin = origin
        self.context = browser.new_context(viewport={"width": WIDTHS[width], "height": 800}, **options)
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self._noticed = []
        self._pardoned = []
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self._incident(f"script error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _incident(self, what):
        self._noticed.append(f"{what} (at {self.page.url[:200]})")

    @property
    def incidents(self):
        return [what for what in self._noticed if not any(words in what for words in self._pardoned)]

    def _dialog(self, dialog):
        self._incident(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def _console(self, message):
        if message.type in ("error", "warning"):
            self._incident(f"console: {message.text}")

    def _request(self, request):
        url = urllib.parse.urlsplit(request.url)
        if url.scheme not in ("data", "blob") and f"{url.scheme}://{url.netloc}" != self.origin:
            self._incident(f"a request to {request.url}")

    def goto(self, path, status=200):
        """Opens a page; the browser's own words on a status other than 200 are no incident."""
        answer = self.page.goto(self.origin + path)
        assert answer.status == status, f"{path}: {answer.status}"
        if status != 200:
            self.pardon(f"the server responded with a status of {status}")
        return answer

    def pardon(self, words):
        """Minds no incident, told already or still to be told, that has these words: a test wanted it to happen."""
        self._pardoned.append(words)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def wait(self, function, argument=None):
        """Until it says yes in the page. Not an expression: the page's policy forbids `eval`, which is how one is asked a second time."""
        return self.page.wait_for_function(function, arg=argument, timeout=WAIT_MS)

    def hurry(self):
        """Has the page ask at once what it would ask within ten seconds: as a browser that is back online tells it to."""
        self.page.evaluate("window.dispatchEvent(new Event('online'))")

    def screenshot(self, name, full_page=True):
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page, animations="disabled")

    def look(self, name):
        """What one sees at each width and in each scheme, and what axe says to it, as a list of what is wrong."""
        wrong = []
        for width_name, width in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": 800})
            inner, outer = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            if inner > outer:
                wrong.append(f"{name}: {inner} px wide on a screen of {outer}")
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                self.screenshot(f"{name}.{width_name}.{scheme}")
                if (width_name, scheme) in AXE:
                    wrong += [f"{name}, {width_name}, {scheme}: {what}" for what in self.axe()]
        return wrong

    def axe(self):
        """What axe finds, serious or not."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        return [f"{rule['impact']} {rule['id']}, {len(rule['nodes'])} times: {rule['nodes'][0]['html'][:300]}" for rule in found]

    def close(self):
        self.context.close()
