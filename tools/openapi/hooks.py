"""What schemathesis can't make up: a customer's consent. Every second request to register a device or to finish a
sign-in, where it is as described, gets a code that the sandbox has just given out; the others stay refused.

RESTOCK_OUTCOMES names a file that gets what each operation answered: {"<operationId>": {"<status>": <how often>}}.
"""

import atexit
import base64
import collections
import hashlib
import html
import itertools
import json
import os
import pathlib
import re
import urllib.parse
import urllib.request

import schemathesis

BASE = os.environ["RESTOCK_BASE"]
PAIRED = {"device_model": "ACME-VAC-1", "serial": "SN0001"}  # its key is in use: nobody else may register it

answered = collections.defaultdict(collections.Counter)
turns = collections.defaultdict(itertools.count)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, req, fp, code, msg, headers):
        return fp


def ask(url, data=None, **headers):
    request = urllib.request.Request(url, data, headers)
    return urllib.request.build_opener(NoRedirect).open(request, timeout=20)


def prepare(device):
    body = json.dumps({**device, "pkce": False}).encode()
    with ask(BASE + "/v1/authorizations", body, **{"Content-Type": "application/json"}) as answer:
        return json.load(answer)


def allow(url):
    """Allows what is asked at Amazon's page, and returns what Amazon then sends to the redirect URL."""
    with ask(url) as answer:
        page = answer.read().decode()
    form = {n: html.unescape(v) for n, v in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)}
    form |= {"customer": re.search(r'name="customer" value="([^"]+)"[^>]* checked', page).group(1), "decision": "allow"}
    action = html.unescape(re.search(r'<form[^>]* action="([^"]+)"', page).group(1))
    with ask(urllib.parse.urljoin(url, action), urllib.parse.urlencode(form).encode()) as answer:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["Location"]).query))


def register(body):
    """Makes a registration of body, whose verifier stays, one that a customer has allowed."""
    device = {name: body[name] for name in PAIRED}
    if device == PAIRED:
        device["serial"] = "SN0002"
    prepared = prepare(PAIRED)
    scheme, host, path, query, _ = urllib.parse.urlsplit(prepared["authorize_url"])
    challenge = base64.urlsafe_b64encode(hashlib.sha256(body["code_verifier"].encode()).digest()).decode().rstrip("=")
    wanted = {
        **dict(urllib.parse.parse_qsl(query)),
        "scope_data": json.dumps({"dash:replenish": device}),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    given = allow(urllib.parse.urlunsplit((scheme, host, path, urllib.parse.urlencode(wanted), "")))
    body.pop("client_id", None)
    return {**body, **device, "code": given["code"], "redirect_uri": prepared["redirect_uri"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    name = context.operation.definition.raw["operationId"]
    described = case.meta is not None and case.meta.generation.mode.is_positive
    if name not in ("callback", "createRegistration") or not described or next(turns[name]) % 2:
        return
    if name == "callback":
        case.query = allow(prepare({**PAIRED, "serial": "SN0003"})["authorize_url"])
    elif isinstance(case.body, dict):
        case.body = register(case.body)


@schemathesis.hook
def after_call(context, case, response):
    answered[context.operation.definition.raw["operationId"]].update([response.status_code])


@atexit.register
def report():
    pathlib.Path(os.environ["RESTOCK_OUTCOMES"]).write_text(json.dumps(answered), encoding="utf-8")
