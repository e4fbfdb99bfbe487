"""Who is let in: the token, the name of the host, and pages of strangers."""
import http.server
import threading

import pytest
from playwright.sync_api import Error

from visitor import WAIT_MS
from world import World, free_port

TOKEN = "a-token-of-the-browser-tests"
SECRET = "Secret Lindgren"


def secretive(folder, **settings):
    world = World.of_records(folder, [{"customerId": "c-1", "name": SECRET}], **settings)
    world.command("sync")
    return world


def test_the_token_opens_and_nothing_else_does(visit, world_of):
    world = world_of(secretive)
    token_file = world.folder / "token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    world.settings |= {"HTTP__LISTEN": f"0.0.0.0:{world.port}", "HTTP__TOKEN_FILE": str(token_file)}
    world.run()
    for credentials in (None, {"username": "anybody", "password": "wrong"}, {"username": TOKEN, "password": ""}):
        stranger = visit(world, http_credentials=credentials)
        let_in = []

        def note(answer, let_in=let_in):
            # The looks of the page that asks for the token have nothing of anybody in them.
            if answer.status != 401 and "/assets/" not in answer.url:
                let_in.append(answer.url)

        stranger.page.on("response", note)
        for path in ("/", "/customers", "/customers/c-1", "/api/status", "/metrics"):
            try:
                stranger.goto(path, 401)
            except Error as error:
                # Chromium shows a page of its own where it can't ask anybody for a password.
                assert "ERR_INVALID_AUTH_CREDENTIALS" in error.message, error
        assert not let_in, let_in
        stranger.pardon("status of 401")
    friend = visit(world, http_credentials={"username": "anybody", "password": TOKEN})
    friend.goto("/customers")
    friend.page.locator("a.name", has_text=SECRET).click()
    friend.page.locator("#customer-name").wait_for()
    # What the page asks for by itself is let in as well.
    friend.goto("/")
    friend.wait("() => getComputedStyle(document.querySelector('.state')).borderRadius !== '0px'")
    begun = friend.page.locator("main").get_attribute("data-now")
    friend.hurry()
    friend.wait("begun => document.querySelector('main').dataset.now !== begun", begun)


def test_a_name_that_a_stranger_had_resolved_to_here_is_refused(visit, world_of):
    world = world_of(secretive)
    world.run()
    world.origin = f"http://evil.example:{world.port}"
    visitor = visit(world)
    for path in ("/", "/customers", "/customers/c-1", "/customers/c-1/raw", "/api/status", "/metrics"):
        visitor.goto(path, 421)
        assert SECRET not in visitor.page.content() and "customers.db" not in visitor.page.content()
    # A script of that page is of the same origin, and still learns nothing.
    told = visitor.page.evaluate("fetch('/customers').then(answer => answer.text())")
    assert SECRET not in told
    # Its looks are refused as well, and a name without TLS is none that Chromium trusts with the rest.
    for words in ("421", "Refused to apply style", "Cross-Origin-Opener-Policy header has been ignored"):
        visitor.pardon(words)


ATTEMPTS = """
async target => {
  const results = {};
  const attempt = async (name, act) => {
    try { results[name] = await act(); } catch (error) { results[name] = "refused"; }
  };
  const element = (tag, attribute, path) => new Promise((resolve, reject) => {
    const created = document.createElement(tag);
    created.onload = () => resolve("loaded");
    created.onerror = () => reject();
    created[attribute] = target + path;
    document.body.append(created);
  });
  await attempt("fetch", () => fetch(target + "/customers").then(answer => answer.text()));
  await attempt("fetch with credentials", () => fetch(target + "/api/status", {credentials: "include"}).then(answer => answer.text()));
  await attempt("fetch without reading", () => fetch(target + "/api/status", {mode: "no-cors"}).then(answer => answer.type));
  await attempt("script", () => element("script", "src", "/api/status"));
  await attempt("script file", () => element("script", "src", "/assets/live.js"));
  await attempt("image", () => element("img", "src", "/assets/favicon.svg"));
  await attempt("post", () => fetch(target + "/customers", {method: "POST", mode: "no-cors", body: "x"}).then(answer => answer.type));
  return results;
}
"""


def content_of(frame):
    try:
        return frame.content()
    except Error as error:
        # Chromium takes away a frame that may not show what it was to show.
        assert "detached" in error.message, error
        return ""


class Stranger(http.server.BaseHTTPRequestHandler):
    target = None

    def do_GET(self):
        body = f'<!doctype html><link rel="icon" href="data:,"><a id="link" href="{self.target}/customers">a link</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def stranger_port():
    port = free_port()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_another_site_reads_and_embeds_nothing(browser, world_of, stranger_port, host):
    """Both a site of another name, and another program's on this machine, which browsers call the same site."""
    world = world_of(secretive)
    world.run()
    Stranger.target = world.origin
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{host}:{stranger_port}/")
    results = page.evaluate(ATTEMPTS, world.origin)
    assert results and all(result == "refused" for result in results.values()), results
    for tag in ("iframe", "embed", "object"):
        page.evaluate(
            """([tag, address]) => new Promise(resolve => {
              const created = document.createElement(tag);
              created.onload = created.onerror = resolve;
              created[tag === "object" ? "data" : "src"] = address;
              document.body.append(created);
            })""",
            [tag, world.origin + "/customers"],
        )
    assert not [content for content in map(content_of, page.frames[1:]) if SECRET in content or 'id="search"' in content]
    # A link is followed by a person.
    page.locator("#link").click()
    page.locator("a.name", has_text=SECRET).wait_for(timeout=WAIT_MS)
    # Nor does who opened a window see what happens in it.
    page.goto(f"http://{host}:{stranger_port}/")
    with context.expect_page() as opened:
        page.evaluate("address => { window.opened = window.open(address) }", world.origin + "/customers")
    opened.value.locator("a.name", has_text=SECRET).wait_for(timeout=WAIT_MS)
    page.wait_for_function("window.opened.closed", timeout=WAIT_MS)
    assert opened.value.evaluate("window.opener") is None
    context.close()
