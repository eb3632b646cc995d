"""Reads deploy/: judges what is for Kubernetes by its schemas, and prints all as JSON for the tests that look closer.

usage: check.py FOLDER
"""

import json
import pathlib
import sys

import kubernetes_validate
import yaml

# The oldest that knows all that is used, and the newest that the package knows.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]


def main(folder: pathlib.Path) -> None:
    manifests = {}
    for path in sorted(folder.glob("kubernetes/*.yaml")):
        for resource in yaml.safe_load_all(path.read_text()):
            for version in VERSIONS:
                kubernetes_validate.validate(resource, version, strict=True)
            manifests[resource["kind"]] = resource
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    json.dump({"manifests": manifests, "compose": compose}, sys.stdout)


main(pathlib.Path(sys.argv[1]))
