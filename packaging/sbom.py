#!/usr/bin/env python3
"""packaging/sbom.py [--target TRIPLE] >FILE: what the program is made of, as a CycloneDX 1.5 document.

From what cargo says and Cargo.lock alone, with Python's standard library; same input, same bytes. Crates that are linked into the
program have the scope "required"; those that only run while it is built (build scripts, macros) have "excluded". Libraries in C that a
crate brings along are components of their own, so that who looks for a vulnerable SQLite finds it.
"""
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Libraries in C: the crate that holds the source, its name, where its version is, and by what the vulnerability databases know it.
BUNDLED = {
    "libsqlite3-sys": ("sqlite", ("sqlite3/sqlite3.h", r'#define SQLITE_VERSION +"([^"]+)"'), "sqlite:sqlite", "blessing"),
    "zstd-sys": ("zstd", ("Cargo.toml", r'^version = "[^"+]+\+zstd\.([^"]+)"'), "facebook:zstandard", "BSD-3-Clause"),
    "aws-lc-sys": ("aws-lc", ("aws-lc/include/openssl/base.h", r'#define AWSLC_VERSION_NUMBER_STRING "([^"]+)"'), "amazon:aws-lc", None),
}


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def tree(target, edges):
    """Name and version of each crate that cargo builds, with the features that are on."""
    command = ["cargo", "tree", "--locked", "--package", "customer-mirror", "--target", target, "--edges", edges]
    command += ["--prefix", "none", "--format", "{p}"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    crates = (line.split() for line in said.splitlines() if line)
    return {(words[0], words[1].removeprefix("v")) for words in crates}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package, checksums, scope):
    found = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "scope": scope,
        "purl": reference(package),
    }
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["license"]:
        # Of old, `/` is "or".
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ").replace("  ", " ")}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def bundled(package):
    """The C library that a crate brings along, if it does."""
    if package["name"] not in BUNDLED:
        return None
    name, (file, pattern), known_as, license = BUNDLED[package["name"]]
    text = (Path(package["manifest_path"]).parent / file).read_text(errors="replace")
    version = re.search(pattern, text, re.MULTILINE).group(1)
    found = {
        "type": "library",
        "bom-ref": f"pkg:generic/{name}@{version}",
        "name": name,
        "version": version,
        "scope": "required",
        "purl": f"pkg:generic/{name}@{version}",
        "cpe": f"cpe:2.3:a:{known_as}:{version}:*:*:*:*:*:*:*",
    }
    if license:
        found["licenses"] = [{"license": {"id": license}}]
    return found


def document(target):
    known = metadata(target)
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    root = next(id for id, package in packages.items() if package["name"] == "customer-mirror")
    linked = tree(target, "normal,no-proc-macro")
    built = linked | tree(target, "normal,build")
    crates = {id for id, package in packages.items() if (package["name"], package["version"]) in built}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
    components, dependencies = [], {}
    for crate in crates:
        package = packages[crate]
        is_linked = (package["name"], package["version"]) in linked
        if crate != root:
            components.append(component(package, checksums, "required" if is_linked else "excluded"))
        on = {
            reference(packages[dependency["pkg"]])
            for dependency in nodes[crate]["deps"]
            if dependency["pkg"] in crates and any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        }
        library = bundled(package)
        if library:
            components.append(library)
            dependencies[library["bom-ref"]] = set()
            on.add(library["bom-ref"])
        dependencies[reference(package)] = on
    components.sort(key=lambda one: one["bom-ref"])
    made_at = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), timezone.utc)
    content = json.dumps([components, target], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": reference(packages[root]),
                "name": packages[root]["name"],
                "version": packages[root]["version"],
                "licenses": [{"expression": packages[root]["license"]}],
                "purl": reference(packages[root]),
            },
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": components,
        "dependencies": [
            {"ref": one, "dependsOn": sorted(on)} for one, on in sorted(dependencies.items())
        ],
    }


def host():
    said = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"^host: (.*)$", said, re.MULTILINE).group(1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments and arguments[0] != "--target" or len(arguments) == 1:
        sys.exit(__doc__)
    json.dump(document(arguments[1] if arguments else host()), sys.stdout, indent=1)
    print()
