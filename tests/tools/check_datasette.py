#!/usr/bin/env python3
"""Datasette on a mirror with our metadata. Usage: check_datasette.py MIRROR METADATA (with the Python that has Datasette)"""
import asyncio
import html
import json
import sys

from datasette import __version__
from datasette.app import Datasette

mirror, metadata_path = sys.argv[1:]
with open(metadata_path, encoding="utf-8") as file:
    metadata = json.load(file)


async def main():
    datasette = Datasette([mirror], metadata=metadata)
    await datasette.invoke_startup()

    async def get(path):
        response = await datasette.client.get(path)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text[:300]}"
        return response

    ours = metadata["databases"]["customers"]
    database = (await get("/customers.json")).json()
    shown = {table["name"] for table in database["tables"] if not table["hidden"]}
    shown |= {view["name"] for view in database["views"]}
    assert shown == {name for name, table in ours["tables"].items() if "description" in table}, shown
    for name, table in ours["tables"].items():
        if "description" not in table:
            continue
        page = html.unescape((await get(f"/customers/{name}")).text)
        assert table["description"] in page, f"{name}: its description is not on its page"
        for column, meaning in table.get("columns", {}).items():
            assert meaning in page, f"{name}.{column}: its description is not on the page"
    for name, query in ours["queries"].items():
        rows = (await get(f"/customers/{name}.json?_shape=array")).json()
        assert isinstance(rows, list), (name, rows)
    for name in ("by-country", "by-type", "recently-changed", "passes-by-day"):
        assert (await get(f"/customers/{name}.json?_shape=array")).json(), name
    facets = (await get("/customers/live_customers.json?_size=0")).json()["facet_results"]
    assert "customer_type" in facets, facets
    # The index has words without diacritics.
    name = (await get("/customers.json?_shape=array&sql=SELECT+name+FROM+live_customers+WHERE+name+NOT+GLOB+'*[^A-Za-z+]*'+LIMIT+1")).json()
    name = name[0]["name"]
    found = (await get(f"/customers/live_customers.json?_shape=array&_search={name.split()[0].lower()}")).json()
    assert name in {row["name"] for row in found}, (name, found)
    print(f"Datasette {__version__}: {len(shown)} tables and views, {len(ours['queries'])} queries")


asyncio.run(main())
