"""One browser for all tests; worlds and visitors that go when their test is over."""
import os

import pytest
from playwright.sync_api import sync_playwright

from people import HOSTILE_DAYS
from visitor import Visitor
from world import World

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A stranger's name that leads here, as DNS rebinding would have it.
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=os.environ["BROWSER_TEST_CHROMIUM"], headless=True, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, world_of):
    """Opens a browser window at a world; at the end, nothing may have happened that must never happen.

    It asks for `world_of` so that windows go before their worlds: a page left open asks for itself, and a world that is gone refuses it."""
    visitors = []

    def opened(world, **options):
        visitors.append(Visitor(browser, world.origin, **options))
        return visitors[-1]

    yield opened
    for visitor in visitors:
        visitor.close()
    incidents = [incident for visitor in visitors for incident in visitor.incidents]
    assert not incidents, "\n".join(incidents)


@pytest.fixture
def world_of(tmp_path_factory):
    """Makes worlds: `world_of(World.of_records, records)`."""
    worlds = []

    def made(make, *arguments, **settings):
        worlds.append(make(tmp_path_factory.mktemp("world"), *arguments, **settings))
        return worlds[-1]

    yield made
    for world in worlds:
        world.close()


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A world whose customers mean harm, after some days, with a daemon. Tests only look at it."""
    world = World.of_records(tmp_path_factory.mktemp("hostile"), [])
    for records in HOSTILE_DAYS:
        world.api.records = records
        world.command("sync")
    yield world.run()
    world.close()


@pytest.fixture(scope="session")
def held(tmp_path_factory):
    """A world of simulated customers, many of whom are gone at once. Tests only look at it."""
    world = held_world(tmp_path_factory.mktemp("held"))
    yield world.run()
    world.close()


def held_world(folder):
    world = World.of_simulator(folder, 2000)
    world.command("sync")
    world.order("day?day=3")
    world.command("sync")
    world.order("fault?spec=bad-record=missing@times=1")
    world.command("sync")
    world.order("day?day=400")
    world.command("sync", expected=65)
    return world
