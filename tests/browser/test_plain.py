"""With less than usual: no JavaScript, no daemon, no mouse."""
from conftest import held_world

# Who goes by Tab reaches any place of a page within so many.
STOPS_MAX = 120


def test_without_javascript_the_essentials_are_there(visit, held):
    visitor = visit(held, java_script_enabled=False)
    visitor.goto("/")
    assert visitor.page.locator("#headline").get_attribute("data-standing") == "attention"
    assert visitor.page.locator("#freshness").inner_text().startswith("Complete as of")
    assert visitor.page.locator("#chart rect[data-pass]").count() == 4
    assert 10 <= int(visitor.page.locator('meta[http-equiv="refresh"]').get_attribute("content")) <= 60
    visitor.screenshot("without-javascript")
    visitor.page.locator("#all-held").click()
    visitor.page.locator("#held-customers").wait_for()
    visitor.page.locator("#next-page").click()
    visitor.page.wait_for_url("**/deletions?after=*")
    visitor.page.locator('nav a[href="/customers"]').click()
    visitor.page.locator("#q").fill("example.org")
    visitor.page.locator("#standing").select_option("any")
    visitor.page.locator("#search button").click()
    visitor.page.locator("#hits a.name").first.click()
    visitor.page.locator("#raw summary").click()
    assert "example.org" in visitor.page.locator("#raw pre").inner_text()
    for path in ("/customers", "/deletions", "/quarantine", "/conflicts"):
        visitor.goto(path)
        assert visitor.page.locator('meta[http-equiv="refresh"]').count() == 0, f"{path} would be taken from its reader"


def test_served_without_a_daemon_all_pages_work(visit, world_of):
    world = world_of(held_world)
    world.serve()
    visitor = visit(world)
    visitor.goto("/")
    assert visitor.page.locator("#headline").get_attribute("data-standing") == "attention"
    assert visitor.page.locator("#work-state").get_attribute("data-doing") == "idle"
    visitor.screenshot("served-without-daemon")
    for path, selector in [
        ("/customers", "#listed"),
        ("/customers?q=example", "#hits"),
        ("/deletions", "#held-customers"),
        ("/quarantine", "#quarantined-records"),
        ("/conflicts", "#conflicts-summary"),
    ]:
        visitor.goto(path)
        visitor.page.locator(selector).wait_for()
    # Somebody else's decision is seen here, too.
    visitor.goto("/")
    world.command("deletions", "discard")
    visitor.hurry()
    visitor.page.locator("#held-sweep").wait_for(state="hidden")
    # So is somebody else's pass.
    world.order("day?day=401")
    world.command("sync", expected=65)
    visitor.hurry()
    visitor.page.locator('#recent-passes tr[data-pass="5"]').wait_for()


def test_what_is_for_programs_can_be_looked_at(visit, held):
    visitor = visit(held)
    for path in ("/api/status", "/readyz", "/healthz"):
        visitor.goto(path)
        assert visitor.page.locator("body").inner_text().startswith("{")
    # Where no page names an icon, a browser asks for this one.
    kind = visitor.page.evaluate("fetch('/favicon.ico').then(answer => answer.headers.get('content-type'))")
    assert kind == "image/svg+xml"


def focused(visitor):
    """What has the focus, and how that is seen."""
    return visitor.page.evaluate(
        """() => {
          const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
          const box = document.activeElement.getBoundingClientRect();
          return {
            id: document.activeElement.id,
            name: document.activeElement.outerHTML.slice(0, 200),
            isOutlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
            isInSight: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
          };
        }"""
    )


def tab_to(visitor, selector, key="Tab"):
    """Presses Tab until something has the focus; each stop must be in sight, and look so."""
    for _ in range(STOPS_MAX):
        visitor.page.keyboard.press(key)
        stop = focused(visitor)
        assert stop["isOutlined"] and stop["isInSight"], stop
        if visitor.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} can't be reached by {key}")


def test_by_keyboard_alone_to_a_customer(visit, held):
    visitor = visit(held)
    visitor.goto("/")
    keyboard = visitor.page.keyboard
    keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.matches('.skip')"), "the first stop skips what all pages have"
    assert focused(visitor)["isInSight"] and focused(visitor)["isOutlined"]
    visitor.screenshot("keyboard-skip", full_page=False)
    keyboard.press("Enter")
    assert focused(visitor)["id"] == "main"
    tab_to(visitor, "main a")
    visitor.goto("/")
    tab_to(visitor, 'nav a[href="/customers"]')
    visitor.screenshot("keyboard-navigation", full_page=False)
    keyboard.press("Enter")
    visitor.page.wait_for_url("**/customers")
    tab_to(visitor, "#q")
    keyboard.type("example.org")
    visitor.screenshot("keyboard-question", full_page=False)
    keyboard.press("Enter")
    visitor.page.wait_for_url("**/customers?q=example.org*")
    tab_to(visitor, "#standing")
    tab_to(visitor, "#hits a.name")
    visitor.screenshot("keyboard-hit", full_page=False)
    keyboard.press("Enter")
    visitor.page.locator("#customer-name").wait_for()
    tab_to(visitor, "#raw summary")
    keyboard.press("Enter")
    visitor.page.locator("#raw details[open]").wait_for()
    tab_to(visitor, "#raw pre")
    visitor.screenshot("keyboard-raw", full_page=False)
    tab_to(visitor, "footer a")
    tab_to(visitor, "header a", key="Shift+Tab")
