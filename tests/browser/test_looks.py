"""Each page at three widths, in the light and in the dark: nothing sticks out, and axe has nothing to say. The pictures are for people."""
import urllib.parse

from people import IDS
from world import World


def looks(visit, world, pages):
    """What is wrong with them. Each: a name for its pictures, its path, its status, and what to do before they are taken."""
    wrong = []
    visitor = visit(world)
    for name, path, status, *actions in pages:
        visitor.goto(path, status)
        for action in actions:
            action(visitor.page)
        wrong += visitor.look(name)
    return wrong


def open_all(page):
    for summary in page.locator("summary").all():
        summary.click()


def test_a_mirror_with_all_kinds_of_trouble(visit, held):
    wrong = looks(
        visit,
        held,
        [
            ("status-held", "/", 200),
            ("deletions", "/deletions", 200),
            ("deletions-next", "/deletions?after=800", 200),
            ("customers", "/customers", 200),
            ("search", "/customers?q=example&type=BUSINESS", 200),
            ("search-nobody", "/customers?q=zzzzzz&country=SE", 200),
            ("search-time-not-understood", "/customers?q=a&since=soon", 400),
            ("quarantine", "/quarantine", 200, open_all),
            ("conflicts", "/conflicts", 200),
            ("error-nowhere", "/nowhere", 404),
            ("error-no-customer", "/customers/nobody", 404),
        ],
    )
    assert not wrong, "\n".join(wrong)


def test_customers_that_mean_harm(visit, hostile):
    wrong = looks(
        visit,
        hostile,
        [
            ("hostile-status", "/", 200),
            ("hostile-customers", "/customers", 200),
            ("hostile-search", "/customers?q=alert", 200),
            ("hostile-customer-markup", "/customers/harm-0", 200, open_all),
            ("hostile-customer-long", "/customers/harm-6", 200, open_all),
            ("hostile-customer-id", "/customers/" + urllib.parse.quote(IDS[-1], safe=""), 200),
            ("customer-changed", "/customers/plain-001", 200),
            ("customer-deleted", "/customers/plain-002", 200),
            ("customer-restored", "/customers/plain-003", 200),
            ("hostile-quarantine", "/quarantine", 200, open_all),
            ("hostile-conflicts", "/conflicts", 200),
            ("hostile-deletions-none", "/deletions", 200),
        ],
    )
    assert not wrong, "\n".join(wrong)


def test_a_mirror_in_the_middle_of_its_first_pass(visit, world_of):
    world = world_of(World.of_records, [{"customerId": f"c-{number}"} for number in range(300)])
    world.api.hold()
    world.run()
    wrong = looks(visit, world, [("first-nothing-yet", "/", 200), ("first-no-customers", "/customers", 200)])
    world.begin_pass()
    world.api.let(2)
    visitor = visit(world)
    visitor.goto("/")
    visitor.wait("() => document.querySelector('#pass-pages')?.textContent === '2'")
    wrong += visitor.look("first-pass")
    assert not wrong, "\n".join(wrong)
