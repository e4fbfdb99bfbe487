"""Customers that mean harm are shown as what they are: text."""
import json
import urllib.parse

import pytest

from people import CONTROLS, HOSTILE_DAYS, IDS, IMAGE, LONG, MARKUP, NAMES, OVERRIDE, STACKED

# What the pages have of these is their own, and outside of main or known by its class.
FOREIGN_ELEMENTS = "script, img, iframe, object, embed, style, link, i, b, svg:not(.labels):not(.drawing), [onload], [onerror]"
# A site's pages, all of them reached by links, are no more than this.
PAGES_MAX = 400


def assert_text_only(visitor):
    found = visitor.page.evaluate("what => [...document.querySelectorAll(`main :is(${what})`)].map(e => e.outerHTML)", FOREIGN_ELEMENTS)
    assert found == [], found
    text = visitor.page.evaluate("document.documentElement.outerHTML")
    assert not set("\u202e\u202d\u2066\u2067\u2068\x00\x07") & set(text), "a control character is on the page"


@pytest.mark.parametrize("index", range(len(NAMES)))
def test_a_name_is_found_shown_and_followed(visit, hostile, index):
    name = NAMES[index]
    visitor = visit(hostile)
    visitor.goto("/customers")
    asked = f"harm-{index}"
    visitor.page.locator("#q").fill(asked)
    visitor.page.locator("#q").press("Enter")
    visitor.page.wait_for_url("**/customers?q=*")
    assert visitor.page.locator("#q").input_value() == asked
    assert_text_only(visitor)
    link = visitor.page.locator(f'#hits a.name[href="/customers/harm-{index}"]')
    shown = link.locator("bdi").text_content()
    if name == LONG:
        assert name.startswith(shown) and len(shown) < 400
    elif name not in (OVERRIDE, CONTROLS):
        assert shown == name
    link.click()
    visitor.page.locator("#customer-name").wait_for()
    assert_text_only(visitor)
    if name not in (OVERRIDE, CONTROLS):
        assert visitor.page.locator("section dd bdi", has_text=name[:50]).first.text_content() == name
    visitor.page.locator("#raw summary").click()
    raw = visitor.page.locator("#raw pre").text_content()
    assert json.loads(raw)["name"] == name
    # The browser keeps titles in its history.
    assert name[:8] not in visitor.page.title()
    visitor.page.go_back()
    assert visitor.page.locator("#q").input_value() == asked
    assert link.is_visible()


@pytest.mark.parametrize("name", [MARKUP, IMAGE, "'; DROP TABLE", "<b>x</b>", '" onfocus="alert(1)" autofocus="', "&lt;script&gt;"])
def test_what_is_searched_for_is_text_too(visit, hostile, name):
    visitor = visit(hostile)
    visitor.goto("/customers")
    for field in ("q", "type", "country"):
        visitor.page.locator(f"#{field}").fill(name)
    with visitor.page.expect_navigation():
        visitor.page.locator("#search button").click()
    for field in ("q", "type", "country"):
        assert visitor.page.locator(f"#{field}").input_value() == name
    assert_text_only(visitor)
    visitor.page.locator("#since").fill(name)
    with visitor.page.expect_navigation():
        visitor.page.locator("#search button").click()
    visitor.pardon("status of 400")
    assert visitor.page.locator("#since").get_attribute("aria-invalid") == "true"
    assert visitor.page.locator("#since-problem").is_visible()
    assert_text_only(visitor)


@pytest.mark.parametrize("customer_id", IDS)
def test_an_id_of_any_kind_leads_to_its_customer(visit, hostile, customer_id):
    visitor = visit(hostile)
    visitor.goto("/customers")
    # They are on the first page, which lists the latest changes.
    links = visitor.page.locator("#listed a.name")
    shown = f"Called {customer_id}".replace("\u202e", "\ufffd")[:200]
    index = next(index for index, text in enumerate(links.all_text_contents()) if text.startswith(shown) and (len(text) > 200 or text == shown))
    links.nth(index).click()
    visitor.page.locator("#customer-name").wait_for()
    visitor.page.locator("#raw summary").click()
    assert json.loads(visitor.page.locator("#raw pre").text_content())["customerId"] == customer_id
    visitor.page.locator("#raw-link").click()
    visitor.page.wait_for_url("**/raw*")
    assert json.loads(visitor.page.locator("body").inner_text())["customerId"] == customer_id
    visitor.page.go_back()
    assert visitor.page.locator("#customer-name").is_visible()


def test_history_says_before_and_after(visit, hostile):
    visitor = visit(hostile)
    visitor.goto("/customers/plain-001")
    changes = visitor.page.locator("#history ol > li")
    assert [change.get_attribute("data-kind") for change in changes.all()] == ["updated", "created"]
    fields = changes.first.locator("dl > div")
    shown = {field.locator("dt").inner_text(): field.locator("dd").inner_text() for field in fields.all()}
    assert "Lindgren 1" in shown["/name"] and "onerror=alert(1)" in shown["/name"], shown
    assert "not there before" in shown["/metadata"] and MARKUP in shown["/metadata"], shown
    assert_text_only(visitor)
    visitor.goto("/customers/plain-003")
    assert [change.get_attribute("data-kind") for change in changes.all()] == ["restored", "deleted", "created"]
    visitor.goto("/customers/plain-002")
    assert visitor.page.locator("#customer-state").get_attribute("data-state") == "deleted"


def names(visitor):
    return visitor.page.locator("#results a.name").all_text_contents()


def test_filters_and_paging_find_each_customer_once(visit, hostile):
    visitor = visit(hostile)
    visitor.goto("/customers")
    expected = {customer["customerId"] for customer in HOSTILE_DAYS[-1] if isinstance(customer, dict)}
    seen = []
    pages = 1
    while True:
        seen += visitor.page.locator("#listed .name").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        if visitor.page.locator("#next-page").count() == 0:
            break
        with visitor.page.expect_navigation():
            visitor.page.locator("#next-page").click()
        pages += 1
    assert len(seen) == len(set(seen)) == len(expected)
    for _ in range(pages - 1):
        visitor.page.go_back()
    assert len(names(visitor)) == 50

    def search(**fields):
        visitor.goto("/customers")
        for field, value in fields.items():
            box = visitor.page.locator(f"#{field}")
            if field == "standing":
                box.select_option(value)
            else:
                box.fill(value)
        with visitor.page.expect_navigation():
            visitor.page.locator("#search button").click()
        return names(visitor)

    # Answers of a search have pages with numbers, and a way back.
    first = search(q="lindgren")
    assert len(first) == 50 and visitor.page.locator("#results mark", has_text="Lindgren").count() >= 50
    with visitor.page.expect_navigation():
        visitor.page.locator("#next-page").click()
    second = names(visitor)
    assert len(second) == 50 and not set(first) & set(second)
    with visitor.page.expect_navigation():
        visitor.page.locator('a[rel="prev"]').click()
    assert names(visitor) == first

    plain = [customer for customer in HOSTILE_DAYS[-1] if isinstance(customer, dict) and customer["name"].startswith("Lindgren")]
    norwegian = [customer["name"] for customer in plain if customer["billing"]["address"]["country"] == "NO"]
    assert sorted(search(country="NO")) == sorted(norwegian)
    both = [c["name"] for c in plain if c["billing"]["address"]["country"] == "NO" and c["customerType"] == "BUSINESS"]
    assert sorted(search(q="lindgren", country="NO", type="BUSINESS")) == sorted(both)
    assert search(q="lindgren", standing="deleted") == ["Lindgren 2"]
    assert search(standing="deleted") == ["Lindgren 2"]
    assert search(country="FI") == []
    assert len(search(since="1h")) == 50
    assert search(since="2126-01-01") == []
    assert search(since="soon") == []
    visitor.pardon("status of 400")
    problem = visitor.page.locator("#since-problem").bounding_box()
    field = visitor.page.locator("#since").bounding_box()
    assert abs(problem["x"] - field["x"]) < 20 and 0 <= problem["y"] - field["y"] < 80, "the problem is not told beside the field"
    assert visitor.page.locator("#since").input_value() == "soon"


def test_no_page_does_harm_whatever_link_is_followed(visit, hostile):
    """Every page that can be reached is opened, with all its details."""
    visitor = visit(hostile)
    waiting, known = ["/"], {"/"}
    opened = 0
    while waiting:
        path = waiting.pop()
        opened += 1
        assert opened <= PAGES_MAX, "the links have no end"
        if is_for_programs(path):
            continue
        visitor.goto(path)
        assert_text_only(visitor)
        links = visitor.page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        for link in links:
            url = urllib.parse.urlsplit(link)
            assert f"{url.scheme}://{url.netloc}" == visitor.origin, f"{path} leads to {link}"
            target = urllib.parse.urlunsplit(("", "", url.path, url.query, ""))
            # Of many that are alike, a few will do.
            if target not in known and "plain-0" not in target:
                known.add(target)
                waiting.append(target)
    assert opened > 60


def is_for_programs(path):
    return path.startswith(("/api/", "/metrics", "/readyz")) or urllib.parse.urlsplit(path).path.endswith("/raw")
