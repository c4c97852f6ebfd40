"""What schemathesis cannot know of this API by itself: which rules may refuse a request that its schema allows, and that an error's code is one
that the document names for the call."""

import schemathesis

# Refusals that depend on more than one request shows, or on a rule that a JSON schema cannot say.
RULES = {
    # What is there: wallets, users, balances, keys of earlier requests.
    "wallet_not_found", "not_owner", "wallet_not_active", "wallet_exists", "same_wallet", "insufficient_balance", "balance_limit", "ledger_limit",
    "weak_password", "currency_not_offered", "limit_exceeded", "capture_exceeds_hold", "refund_exceeds_payment",
    "email_taken", "user_deleted", "idempotency_key_reused",
    # Letters of ISO 4217 that are no currency.
    "invalid_currency",
    # A text that is too long once it is composed, or that has nothing to see in it; an address whose domain cannot be.
    "invalid_field", "invisible_character",
    # A key in a path that no header could have.
    "invalid_idempotency_key",
    # A currency that is none; a moment in the future; a `before` that is not in the list.
    "invalid_query",
}  # fmt: skip

# Any request can be told these, so that calls do not name them.
OF_ANY_REQUEST = {"endpoint_not_found", "method_not_allowed", "bad_request", "invalid_host", "request_timeout", "body_too_large", "uri_too_long", "headers_too_large"}


@schemathesis.check
def well_formed_requests_are_refused_by_a_rule_alone(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 410, 422):
        return
    if isinstance(case.body, dict) and any(isinstance(value, float) for value in case.body.values()):
        # 7.0 is an integer for a JSON schema. Money and ids are never written with a point here.
        return
    code = response.json().get("code")
    assert code in RULES, f"the document allows this request, and it is refused with {response.status_code} {code}"


@schemathesis.check
def every_error_is_one_of_the_documents(ctx, response, case):
    if response.status_code < 400 or case.operation.path == "/health":
        return
    body = response.json()
    for field in ("error", "code", "message"):
        assert isinstance(body.get(field), str) and body[field], f"the error has no {field}"
    if body["code"] in OF_ANY_REQUEST:
        return
    document = case.operation.schema.raw_schema
    answer = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/", 1)[-1]]
    named = answer.get("content", {}).get("application/json", {}).get("examples", {})
    assert body["code"] in named, f"the document does not name {body['code']} for {response.status_code} of this call"
