#!/usr/bin/env python3
"""Walks GET /customers and keeps each answer as a file, for a web server to serve: _first.json, then <cursor>.json, each also .gz.

  dump_pages.py BASE_URL KEY FOLDER
"""
import gzip
import json
import os
import sys
import urllib.parse
import urllib.request

base_url, key, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
name, count = None, 0
while True:
    query = {"limit": 1000} | ({"cursor": name} if name else {})
    request = urllib.request.Request(f"{base_url}/customers?{urllib.parse.urlencode(query)}", headers={"X-Api-Key": key})
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
    path = f"{folder}/{name or '_first'}.json"
    with open(path, "wb") as file:
        file.write(body)
    with open(path + ".gz", "wb") as file:
        file.write(gzip.compress(body, 6, mtime=0))
    page = json.loads(body)
    count += len(page["items"])
    name = page["pagination"].get("nextCursor")
    if not name:
        break
print(f"{folder}: {count} customers")
