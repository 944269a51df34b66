"""The grants of Login with Amazon by requests-oauthlib, as it comes."""

import os

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

AUTHORIZE = "https://www.amazon.com/ap/oa"
TOKEN = "https://api.amazon.com/auth/o2/token"
PROFILE = "https://api.amazon.com/user/profile"

client_id = os.environ["LWA_CLIENT_ID"]
secret = os.environ["LWA_CLIENT_SECRET"]
redirect = os.environ["LWA_REDIRECT_URL"]


def sign_in(session):
    """Opens the authorize page, whose customer has agreed, and returns where it leads."""
    page, state = session.authorization_url(AUTHORIZE)
    answer = session.get(page, allow_redirects=False, withhold_token=True)
    assert answer.status_code == 302, answer.status_code
    back = answer.headers["Location"]
    assert "state=" + state in back
    # oauthlib takes no answer that came by http, not even on loopback.
    return back.replace("http://", "https://", 1)


def refused(error, description, call, *args, **kwargs):
    """Wants a call to fail with an error and a description."""
    try:
        call(*args, **kwargs)
    except OAuth2Error as got:
        assert (got.error, got.description) == (error, description), (got.error, got.description)
        return
    raise AssertionError(f"no {error} came")


# A code with the secret, and the customer's profile.
session = OAuth2Session(client_id, redirect_uri=redirect, scope=["profile"])
back = sign_in(session)
token = session.fetch_token(TOKEN, client_secret=secret, include_client_id=True, authorization_response=back)
assert token["access_token"].startswith("Atza|") and token["expires_in"] == 3600
profile = session.get(PROFILE).json()
assert profile["user_id"] == "amzn1.account.AEXAMPLEONE", profile
again = OAuth2Session(client_id, redirect_uri=redirect, state=session._state)
refused(
    "invalid_grant", "The request has an invalid grant parameter : code",
    again.fetch_token, TOKEN, client_secret=secret, include_client_id=True, authorization_response=back,
)

# A refresh.
next_token = session.refresh_token(TOKEN, client_id=client_id, client_secret=secret)
assert next_token["access_token"] != token["access_token"]
assert next_token["refresh_token"] == token["refresh_token"]

# A verifier and no secret.
public = OAuth2Session(client_id, redirect_uri=redirect, scope=["profile"], pkce="S256")
token = public.fetch_token(TOKEN, include_client_id=True, authorization_response=sign_in(public))
assert token["refresh_token"].startswith("Atzr|")
public = OAuth2Session(client_id, redirect_uri=redirect, scope=["profile"], pkce="S256")
back = sign_in(public)
public._code_verifier = "x" * 43
refused(
    "unauthorized_client", "Not authorized for requested operation",
    public.fetch_token, TOKEN, include_client_id=True, authorization_response=back,
)

# For itself.
own = OAuth2Session(client=BackendApplicationClient(client_id, scope=["appstore::apps:readwrite"]))
token = own.fetch_token(TOKEN, client_id=client_id, client_secret=secret, include_client_id=True)
assert token["access_token"].startswith("Atc|")
assert own.get("https://developer.amazon.com/api/appstore/v1/applications").status_code == 200
own = OAuth2Session(client=BackendApplicationClient(client_id, scope=["messaging:pull"]))
refused(
    "invalid_scope", "The request has an invalid parameter : scope",
    own.fetch_token, TOKEN, client_id=client_id, client_secret=secret, include_client_id=True,
)
