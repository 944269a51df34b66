"""Asks a restock up with fresh data everything that docs/openapi.yaml allows, and what it does not.

Usage: run.py RESTOCK, from the repository's root, in a venv with requirements.txt.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import yaml

BIN = pathlib.Path(sys.executable).parent.absolute()  # of the venv
HERE = pathlib.Path(__file__).absolute().parent


def pair(base):
    """Pairs a device, and returns its pairing."""
    body = json.dumps({"device_model": "ACME-VAC-1", "serial": "SN0001"}).encode()
    request = urllib.request.Request(base + "/v1/pairings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        pairing = json.load(answer)
    subprocess.run([".ci/customer", pairing["url"]], check=True)
    return pairing


def ask(base, pairing, folder, *options):
    """Lets schemathesis ask, which leaves what it learnt in a folder; returns its exit status, and what was answered."""
    outcomes = pathlib.Path(folder) / "outcomes.json"
    env = dict(os.environ, RESTOCK_DEVICE_KEY=pairing["device_key"], RESTOCK_PAIRING_ID=pairing["id"])
    env |= {"RESTOCK_BASE": base, "RESTOCK_OUTCOMES": str(outcomes), "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    command = [BIN / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", base + "/openapi.yaml", "--url", base]
    failed = subprocess.run([*command, *options], env=env, cwd=folder, check=False).returncode
    return failed, json.loads(outcomes.read_text(encoding="utf-8"))


def refused(answered):
    """Says what each operation answered how often, and returns which were refused each time: what they answer else was
    then never held against the description, which schemathesis itself has fetched (showDescription)."""
    described = yaml.safe_load(pathlib.Path("docs/openapi.yaml").read_text(encoding="utf-8"))["paths"]
    never = []
    for name in [operation["operationId"] for path in described.values() for operation in path.values()]:
        statuses = answered.get(name, {})
        print(f"{name}:", *(f"{status} × {times}" for status, times in sorted(statuses.items())), sep="  ")
        if name != "showDescription" and not any(int(status) < 400 for status in statuses):
            never.append(f"{name} never succeeded")
    return never


def main():
    subprocess.run([BIN / "openapi-spec-validator", "docs/openapi.yaml"], check=True)
    with tempfile.TemporaryDirectory() as data, open(pathlib.Path(data) / "log", "w", encoding="utf-8") as log:
        command = [sys.argv[1], "up", "--json", "--data", data + "/restock.db"]
        free = ["--http", "localhost:0", "--mqtt", "localhost:0", "--sandbox", "localhost:0"]
        with subprocess.Popen(command + free, stdout=subprocess.PIPE, stderr=log) as up:
            try:
                base = json.loads(up.stdout.readline())["addresses"]["http"]
                pairing = pair(base)
                failed, answered = ask(base, pairing, data, "--exclude-operation-id", "deleteRegistration")
                # To deregister comes last: after it the device gets no other answers.
                last, more = ask(
                    base, pairing, data, "--include-operation-id", "deleteRegistration", "--phases", "examples,coverage,fuzzing"
                )
            finally:
                up.terminate()
        faults = [line for line in pathlib.Path(log.name).read_text(encoding="utf-8").splitlines() if '"ERROR"' in line]
    sys.exit("\n".join(faults + refused(answered | more)) or failed | last)


main()
