"""The status page while things happen: it follows them by itself, and leaves alone what a person does with it."""
from conftest import held_world
from world import World

RECORDS = [{"customerId": f"c-{number:04}", "name": f"Customer {number}"} for number in range(600)]
PAGES = 6
# More than are in sight at once.
PASSES = 12


def pages_read(visitor, number):
    visitor.wait("number => document.querySelector('#pass-pages')?.textContent === String(number)", number)


def doing(visitor, word):
    visitor.wait("word => document.querySelector('#work-state').dataset.doing === word", word)


def standing(visitor, word):
    visitor.wait("word => document.querySelector('#headline').dataset.standing === word", word)


def mark(visitor):
    """What is gone if the page is loaded anew."""
    visitor.page.evaluate("window.isTheSamePage = true")


def assert_same_page(visitor):
    assert visitor.page.evaluate("window.isTheSamePage === true"), "the page was loaded anew"


def test_a_first_pass_runs_from_nothing_to_complete(visit, world_of):
    world = world_of(World.of_records, RECORDS)
    world.api.hold()
    world.run().begin_pass()
    visitor = visit(world)
    visitor.goto("/")
    mark(visitor)
    standing(visitor, "incomplete")
    assert "not complete" in visitor.page.title()
    for page in range(1, PAGES):
        world.api.let(1)
        pages_read(visitor, page)
        assert visitor.text("#pass-records") == str(page * 100)
        # How many there will be isn't known yet: nothing may pretend it is.
        assert visitor.page.locator("#progress").count() == 0
    world.api.open()
    standing(visitor, "fine")
    assert visitor.text("#live-customers") == "600"
    assert visitor.page.locator("#recent-passes tbody tr").count() == 1
    assert_same_page(visitor)
    visitor.screenshot("live-first-complete")


def test_a_pass_is_followed_and_what_a_person_does_stays(visit, world_of):
    world = world_of(World.of_records, RECORDS)
    for _ in range(PASSES):
        world.command("sync")
    world.run()
    visitor = visit(world)
    visitor.goto("/")
    mark(visitor)
    doing(visitor, "idle")
    summary = visitor.page.locator("#earlier-passes summary")
    summary.click()
    summary.scroll_into_view_if_needed()
    summary.focus()

    def stays():
        assert visitor.page.locator("#earlier-passes").get_attribute("open") is not None, "what was opened was closed"
        assert visitor.page.evaluate("document.activeElement.matches('#earlier-passes summary')"), "the focus was lost"
        assert_same_page(visitor)

    world.api.records = [record | {"name": "Renamed"} for record in RECORDS[:7]] + RECORDS[7:]
    world.api.hold()
    world.begin_pass()
    doing(visitor, "fetching")
    stays()
    looked_at = summary.bounding_box()["y"]

    def is_in_sight_as_before():
        moved = summary.bounding_box()["y"] - looked_at
        assert abs(moved) < 2, f"what a person looks at moved by {moved} px"

    share = -1
    for page in range(1, 4):
        world.api.let(1)
        pages_read(visitor, page)
        before, share = share, int(visitor.page.locator("#progress").get_attribute("value"))
        assert share > before, (before, share)
        stays()
    assert share == 50
    is_in_sight_as_before()
    visitor.screenshot("live-fetching")
    # A picture of the whole page is taken through another window, and the place in the old one can be another after that.
    looked_at = summary.bounding_box()["y"]

    world.api.refuse(429, retry_after_seconds=3)
    doing(visitor, "waiting")
    reason = visitor.text("#doing")
    assert "429" in reason and "as the server asked" in reason, reason
    is_in_sight_as_before()
    visitor.screenshot("live-waiting")
    stays()
    world.api.accept()
    world.api.open()
    doing(visitor, "idle")
    assert visitor.page.locator("#doing").count() == 0
    newest = visitor.page.locator("#recent-passes tbody tr").first
    assert newest.get_attribute("data-pass") == str(PASSES + 1)
    assert "complete" in newest.inner_text()
    assert newest.locator("td.number").nth(4).inner_text() == "7", "updated"
    assert visitor.page.locator("#chart rect[data-pass]").count() == PASSES + 1
    stays()


def test_a_page_without_its_daemon_says_so_until_it_is_back(visit, world_of):
    world = world_of(World.of_records, RECORDS)
    world.command("sync")
    world.api.hold()
    world.run().begin_pass()
    visitor = visit(world)
    visitor.goto("/")
    mark(visitor)
    # Under way the page is asked for more often, so that the test needn't wait.
    doing(visitor, "fetching")
    banner = visitor.page.locator("#stale-banner")
    assert banner.is_hidden()
    world.kill(world.daemon)
    banner.wait_for(state="visible")
    assert "This page shows the state of" in banner.inner_text()
    assert "not up to date" in visitor.page.title()
    visitor.screenshot("live-daemon-gone")
    world.api.open()
    world.run()
    banner.wait_for(state="hidden")
    assert "not up to date" not in visitor.page.title()
    visitor.pardon("ERR_CONNECTION_REFUSED")
    assert_same_page(visitor)


def test_a_pass_that_stops_is_told(visit, world_of):
    world = world_of(World.of_records, RECORDS)
    world.command("sync")
    world.run()
    world.api.refuse(401)
    world.begin_pass()
    visitor = visit(world)
    visitor.goto("/")
    visitor.page.locator("#matter-key-refused").wait_for()
    standing(visitor, "attention")
    visitor.screenshot("live-key-refused")
    world.api.accept()
    world.begin_pass()
    visitor.page.locator("#matter-key-refused").wait_for(state="detached")
    standing(visitor, "fine")


def test_a_held_sweep_is_seen_and_goes_when_it_is_decided(visit, world_of):
    world = world_of(held_world)
    world.run()
    visitor = visit(world)
    visitor.goto("/")
    mark(visitor)
    standing(visitor, "attention")
    held = world.status()["held_sweep"]["customers"]
    assert held > 100
    assert f"{held} customers" in visitor.text("#matter-held-sweep")
    assert visitor.page.locator("#held-customers li").count() == 20
    live = int(visitor.text("#live-customers").replace("\u202f", ""))

    lister = visit(world)
    lister.goto("/")
    lister.page.locator("#all-held").click()
    lister.page.wait_for_url("**/deletions")
    seen = []
    while True:
        links = lister.page.locator("#held-customers a.name")
        seen += links.evaluate_all("links => links.map(link => link.getAttribute('href'))")
        if lister.page.locator("#next-page").count() == 0:
            break
        with lister.page.expect_navigation():
            lister.page.locator("#next-page").click()
    assert len(seen) == len(set(seen)) == held
    lister.page.go_back()
    assert lister.page.locator("#next-page").count() == 1
    lister.page.locator("#held-customers a.name").first.click()
    lister.page.locator("#customer-name").wait_for()
    assert lister.page.locator("#customer-state").get_attribute("data-state") == "live"

    world.command("deletions", "approve")
    visitor.hurry()
    visitor.page.locator("#held-sweep").wait_for(state="hidden")
    assert visitor.page.locator("#matter-held-sweep").count() == 0
    standing(visitor, "fine")
    assert int(visitor.text("#live-customers").replace("\u202f", "")) == live - held
    assert_same_page(visitor)
    lister.page.reload()
    assert lister.page.locator("#customer-state").get_attribute("data-state") == "deleted"


def test_a_page_that_is_not_looked_at_asks_for_nothing(visit, world_of):
    world = world_of(World.of_records, RECORDS)
    world.api.hold()
    world.run().begin_pass()
    visitor = visit(world)
    visitor.goto("/")
    doing(visitor, "fetching")
    # Headless pages are never hidden: the page is told that it is, as a browser tells it.
    visitor.page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.isHidden, configurable: true});"
        "window.isHidden = true; document.dispatchEvent(new Event('visibilitychange'))"
    )
    world.api.let(1)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    other = visit(world)
    other.goto("/")
    # Another page has seen what this one would have, and time for one more question has passed.
    pages_read(other, 1)
    world.api.let(1)
    pages_read(other, 2)
    assert asked == []
    assert visitor.text("#pass-pages") == "0"
    visitor.page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    pages_read(visitor, 2)
