"""An OAuth client of Authlib, which prints what each step brought as a line of JSON, as play.py does. It judges nothing.

    python client_oauth.py key FILE     makes a key in FILE and prints its public half as a JWK Set
    python client_oauth.py play FILE    plays all steps; FILE is that key
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

IDENTITY, EXCHANGE, SIGNED = "https://localhost:3914", "https://localhost:3915/realms/tools", "https://localhost:3916"
"""The issuers of ../oauth.yaml, and the one that the harness adds for the client with a key."""
AUDIENCE = "https://mcp.example.com"
TYPE = "urn:ietf:params:oauth:token-type:"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
REDIRECT = "http://127.0.0.1:53682/callback"

Answer = dict[str, Any]


class Issuer:
    """An authorization server, found by its metadata."""

    def __init__(self, issuer: str) -> None:
        parts = urlsplit(issuer)
        # RFC 8414, 3.1: the path of the issuer follows the well-known one.
        url = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
        self.metadata = AuthorizationServerMetadata(requests.get(url, timeout=10).json())
        self.metadata.validate()
        assert self.metadata["issuer"] == issuer
        self.token = self.metadata["token_endpoint"]

    def claims(self, token: str) -> Answer:
        """The claims of a token, whose signature is good by the issuer's published keys."""
        keys = KeySet.import_key_set(requests.get(self.metadata["jwks_uri"], timeout=10).json())
        decoded = jwt.decode(token, keys, algorithms=["ES256", "RS256"])
        # Which of several keys it was, and when, is of no interest here.
        return {name: value for name, value in decoded.claims.items() if name not in ("iat", "exp", "nbf", "jti")}

    def session(self, client: str, secret: str | ECKey, method: str | PrivateKeyJWT = "client_secret_basic", **more: Any) -> OAuth2Session:
        return OAuth2Session(client, secret, token_endpoint_auth_method=method, **more)


class Steps:
    def __init__(self, key: ECKey) -> None:
        self._key = key
        self._identity, self._exchange = Issuer(IDENTITY), Issuer(EXCHANGE)
        self._portal = self._identity.session(
            "portal", "p0rtal", scope="openid offline_access", redirect_uri=REDIRECT, code_challenge_method="S256"
        )
        self._gateway = self._exchange.session("gateway", "s3cr3t:with/odd&characters")
        self._users: dict[str, Answer] = {}

    def client_credentials_basic(self) -> Answer:
        token = self._gateway.fetch_token(
            self._exchange.token, grant_type="client_credentials", audience=AUDIENCE, scope="read"
        )
        return self._issued(self._exchange, token)

    def client_credentials_post(self) -> Answer:
        session = self._exchange.session("post", "other", "client_secret_post")
        token = session.fetch_token(self._exchange.token, grant_type="client_credentials", audience=AUDIENCE)
        return self._issued(self._exchange, token)

    def client_credentials_private_key_jwt(self) -> Answer:
        signed = Issuer(SIGNED)
        method = PrivateKeyJWT(signed.token, alg="ES256")
        session = signed.session("signer", self._key, method)
        return self._issued(signed, session.fetch_token(signed.token, grant_type="client_credentials", audience=AUDIENCE))

    def a_secret_that_is_wrong(self) -> Answer:
        session = self._exchange.session("gateway", "wrong")
        return session.fetch_token(self._exchange.token, grant_type="client_credentials", audience=AUDIENCE)

    def a_way_that_the_client_may_not_use(self) -> Answer:
        session = self._exchange.session("post", "other", "client_secret_basic")
        return session.fetch_token(self._exchange.token, grant_type="client_credentials", audience=AUDIENCE)

    def authorization_code(self) -> Answer:
        return self._issued(self._identity, self._signed_in("alice"))

    def refresh(self) -> Answer:
        token = self._signed_in("alice")
        first = token["refresh_token"]
        fresh = self._portal.refresh_token(self._identity.token, refresh_token=first)
        return self._issued(self._identity, fresh) | {"rotated": fresh["refresh_token"] != first}

    def a_refresh_token_used_twice(self) -> Answer:
        token = self._signed_in("alice")
        self._portal.refresh_token(self._identity.token, refresh_token=token["refresh_token"])
        return self._portal.refresh_token(self._identity.token, refresh_token=token["refresh_token"])

    def what_reuse_revokes(self) -> Answer:
        token = self._signed_in("alice")
        second = self._portal.refresh_token(self._identity.token, refresh_token=token["refresh_token"])
        try:
            self._portal.refresh_token(self._identity.token, refresh_token=token["refresh_token"])
        except AuthlibBaseError:
            pass
        return self._portal.refresh_token(self._identity.token, refresh_token=second["refresh_token"])

    def token_exchange(self) -> Answer:
        return self._issued(self._exchange, self._exchanged("alice", scope="read"))

    def token_exchange_for_an_actor(self) -> Answer:
        actor = self._signed_in("bob")["access_token"]
        token = self._exchanged("alice", scope="read", actor_token=actor, actor_token_type=f"{TYPE}access_token")
        return self._issued(self._exchange, token)

    def token_exchange_of_a_token_that_was_tampered_with(self) -> Answer:
        header, _, signature = self._signed_in("alice")["access_token"].split(".")
        claims = self._signed_in("bob")["access_token"].split(".")[1]
        return self._exchanged("alice", subject_token=".".join([header, claims, signature]))

    def token_exchange_for_another_audience(self) -> Answer:
        return self._exchanged("alice", audience="https://elsewhere.example.com")

    def token_exchange_for_a_scope_that_is_not_granted(self) -> Answer:
        return self._exchanged("alice", scope="admin")

    def token_exchange_that_a_rule_refuses(self) -> Answer:
        return self._exchanged("bob", scope="write")

    def introspection(self) -> Answer:
        token = self._exchanged("alice", scope="read")["access_token"]
        told = self._gateway.introspect_token(self._exchange.metadata["introspection_endpoint"], token, "access_token").json()
        return {name: told.get(name) for name in ("active", "sub", "client_id", "scope")}

    def revocation(self) -> Answer:
        token = self._exchanged("alice", scope="read")["access_token"]
        revoked = self._gateway.revoke_token(self._exchange.metadata["revocation_endpoint"], token, "access_token")
        told = self._gateway.introspect_token(self._exchange.metadata["introspection_endpoint"], token, "access_token").json()
        return {"status": revoked.status_code, "introspection": told}

    def _exchanged(self, user: str, **more: Any) -> Answer:
        if user not in self._users:
            self._users[user] = self._signed_in(user)
        form = {"audience": AUDIENCE, "subject_token": self._users[user]["access_token"], "subject_token_type": f"{TYPE}access_token"} | more
        return self._gateway.fetch_token(self._exchange.token, grant_type=TOKEN_EXCHANGE, **form)

    def _signed_in(self, user: str) -> Answer:
        verifier = generate_token(48)
        url, state = self._portal.create_authorization_url(
            self._identity.metadata["authorization_endpoint"], code_verifier=verifier, login_hint=user, prompt="none"
        )
        answer = requests.get(url, allow_redirects=False, timeout=10)
        back = answer.headers["location"]
        assert parse_qs(urlsplit(back).query)["iss"] == [IDENTITY]
        return self._portal.fetch_token(self._identity.token, authorization_response=back, code_verifier=verifier, state=state)

    def _issued(self, issuer: Issuer, token: Answer) -> Answer:
        shown = {name: token.get(name) for name in ("token_type", "scope", "issued_token_type") if name in token}
        return shown | {"claims": issuer.claims(token["access_token"]), "expires": token.get("expires_in")}


def play(key: ECKey) -> None:
    steps = Steps(key)
    for name, step in vars(Steps).items():
        if not name.startswith("_"):
            say(name.replace("_", " "), lambda: step(steps))


def say(name: str, act: Callable[[], Answer]) -> None:
    try:
        said = {"result": dict(act())}
    except AuthlibBaseError as error:
        said = {"error": {"error": error.error, "message": f"{error.error}: {error.description}"}}
    except Exception as error:
        said = {"error": {"message": f"{type(error).__name__}: {error}"}}
    print(json.dumps({"step": name, **said}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["key", file]:
            key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"})
            Path(file).write_bytes(key.as_pem(private=True))
            print(json.dumps(KeySet([key]).as_dict(private=False)))
        case ["play", file]:
            play(ECKey.import_key(Path(file).read_bytes()))
        case _:
            sys.exit("client_oauth.py key FILE | play FILE")
