//! Every code that a failed answer can have, in one place: the API's document and docs/CLIENTS.md show this table.
//!
//! What must hold: a code is never renamed, and never means something else than before. Tests refuse to make an error whose code is not here.

use std::fmt::Write as _;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The word in `code`.
    pub code: &'static str,
    /// The statuses that it comes with.
    pub statuses: &'static [u16],
    /// What it says, in one sentence without its full stop.
    pub meaning: &'static str,
    /// Who can meet it.
    pub reader: Reader,
}

/// Who can meet a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A client of the gateway.
    Client,
    /// Only who calls a service at its own port.
    Service,
}

/// The row of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.code == code)
}

/// The codes that a client of the gateway can meet, as a table in Markdown.
pub fn table() -> String {
    let mut table = String::from("| code | status | meaning |\n|---|---|---|\n");
    for row in CODES.iter().filter(|row| row.reader == Reader::Client) {
        let statuses: Vec<_> = row.statuses.iter().map(u16::to_string).collect();
        let statuses = if statuses.is_empty() {
            "other 4xx".to_owned()
        } else {
            statuses.join(", ")
        };
        let _ = writeln!(table, "| `{}` | {statuses} | {} |", row.code, row.meaning);
    }
    table
}

const fn row(code: &'static str, statuses: &'static [u16], meaning: &'static str) -> Code {
    Code {
        code,
        statuses,
        meaning,
        reader: Reader::Client,
    }
}

impl Code {
    const fn between_services(mut self) -> Code {
        self.reader = Reader::Service;
        self
    }
}

/// The table, by status.
#[rustfmt::skip]
pub static CODES: &[Code] = &[
    row("bad_request",                  &[400],      "The request is not HTTP as it should be"),
    row("invalid_host",                 &[400],      "The request has no Host header, or several"),
    row("invalid_body",                 &[400],      "The body is no JSON object, a field comes twice, or the body did not arrive whole"),
    row("unknown_field",                &[400],      "The body has a field that the route does not know"),
    row("weak_password",                &[400],      "The password is among those that attackers try first, or the user's own name, address or number"),
    row("missing_fields",               &[400],      "A required field is missing, null or empty"),
    row("invalid_field",                &[400],      "A field has a wrong type, a wrong length, or a control character; `field` names it"),
    row("invisible_character",          &[400],      "A text has a character that nobody can see"),
    row("invalid_query",                &[400],      "A query parameter has a wrong value; `field` names it"),
    row("unknown_parameter",            &[400],      "The query pages as other APIs do; pages are asked for with `limit` and `before`"),
    row("invalid_idempotency_key",      &[400],      "The Idempotency-Key is not 1 to 255 visible ASCII characters, or comes twice"),
    row("not_storable",                 &[400],      "The database cannot keep a value of the request"),
    row("invalid_amount",               &[400],      "The amount is no whole number from 1 to 9007199254740991"),
    row("invalid_currency",             &[400],      "The currency is no code of ISO 4217"),
    row("currency_not_offered",         &[400],      "No wallets are opened in this currency here; `GET /currencies` lists the others"),
    row("invalid_status",               &[400],      "The status is none that this can have: a wallet is `active` or `frozen`, a user `active` or `suspended`"),
    row("invalid_tier",                 &[400],      "The tier is neither `unregistered` nor `registered` nor `merchant`"),
    row("invalid_wallet_id",            &[400],      "The id of a wallet is no positive whole number"),
    row("invalid_type",                 &[400],      "The type of a transaction is unknown").between_services(),
    row("too_many_orders",              &[400],      "One call brings more orders than the ledger takes at once").between_services(),
    row("email_taken",                  &[400],      "Somebody has registered with this address"),
    row("user_verification_failed",     &[400],      "The user of the token is not there any more"),
    row("wallet_exists",                &[400],      "The user has a wallet of this currency"),
    row("insufficient_balance",         &[400],      "There is less in the wallet than the call would take out"),
    row("limit_exceeded",               &[400],      "A limit does not allow it; `limit`, `window`, `measure`, `max`, `used`, `requested` and `resets_at` are its figures"),
    row("balance_limit",                &[400],      "The wallet would hold more than 9007199254740991"),
    row("ledger_limit",                 &[400],      "The ledger cannot count that far"),
    row("capture_exceeds_hold",         &[400],      "The amount is more than what is left of the hold; `remaining` says how much that is"),
    row("refund_exceeds_payment",       &[400],      "The amount is more than what is left of the payment; `refundable` says how much that is"),
    row("same_wallet",                  &[400],      "Sender and receiver are one"),
    row("wallet_not_active",            &[400, 403], "The wallet is frozen or closed"),
    row("not_owner",                    &[400, 403], "It belongs to somebody else, or only an administrator may do it"),
    row("wallet_not_found",             &[400, 404], "There is no such wallet"),
    row("token_missing",                &[401],      "The request has no token"),
    row("token_invalid",                &[401],      "The token is none of this installation's, or its session is over"),
    row("token_scheme",                 &[401],      "The Authorization header has another scheme than Bearer"),
    row("token_expired",                &[401],      "The token has lived its 24 hours"),
    row("session_changed",              &[401],      "Somebody else has signed in with this browser than the page means"),
    row("invalid_credentials",          &[401],      "The address or the password is wrong"),
    row("user_suspended",               &[403],      "An administrator has suspended the account"),
    row("admins_only",                  &[403],      "Only an administrator may do it"),
    row("last_administrator",           &[403],      "There would be no administrator any more who can log in"),
    row("wrong_password",               &[403],      "The old password of a change is not the user's"),
    row("forbidden",                    &[403],      "The caller may not do this"),
    row("foreign_origin",               &[403],      "A page of another origin cannot use the session of this one"),
    row("payer_may_not_refund",         &[403],      "The user who paid may not give the money back to themselves; an administrator may"),
    row("invalid_wallet",               &[403],      "The wallet is not there, or belongs to somebody else"),
    row("topup_closed",                 &[403],      "Users bring no money in here: it comes from the operator's services"),
    row("services_only",                &[403],      "Only services may call this").between_services(),
    row("endpoint_not_found",           &[404],      "There is no such path; `message` names the path that may be meant"),
    row("user_not_found",               &[404],      "There is no such user"),
    row("request_not_found",            &[404],      "No request with this Idempotency-Key has come to the ledger, or it was refused; `Retry-After` says when to ask again"),
    row("session_not_found",            &[404],      "The user has no such session, or it is over"),
    row("payment_not_found",            &[404],      "There is no such payment"),
    row("hold_not_found",               &[404],      "There is no such hold"),
    row("transaction_not_found",        &[404],      "There is no such transaction"),
    row("no_receipt",                   &[404],      "The transaction moved no money, so that there is no receipt"),
    row("destination_not_found",        &[404],      "The receiver is not there, or their wallet of this currency cannot take this"),
    row("entry_not_found",              &[404],      "The log has no such entry").between_services(),
    row("method_not_allowed",           &[405],      "The path has other methods; `Allow` names them"),
    row("request_timeout",              &[408],      "The request did not arrive in time"),
    row("hold_captured",                &[409],      "The hold is finished: it was captured"),
    row("hold_voided",                  &[409],      "The hold is finished: it was voided"),
    row("hold_expired",                 &[409],      "The hold is finished: its time is over"),
    row("too_many_captures",            &[409],      "The hold has as many captures as one may have"),
    row("payment_already_refunded",     &[409],      "All of the payment was given back"),
    row("already_reversed",             &[409],      "Nothing is left of the movement to take back"),
    row("not_reversible",               &[409],      "The movement takes something back itself, or moved no money"),
    row("wallet_closed",                &[409],      "The wallet that the money would go back to is closed"),
    row("other_ledger",                 &[409],      "The caller follows another ledger").between_services(),
    row("reference_reused",             &[409],      "The reference belongs to another deposit").between_services(),
    row("user_deleted",                 &[410],      "The Idempotency-Key registered a user who was deleted since"),
    row("body_too_large",               &[413],      "The body has more than 65536 bytes"),
    row("uri_too_long",                 &[414],      "The address is too long"),
    row("unsupported_media_type",       &[415],      "The Content-Type is not `application/json`"),
    row("unsupported_charset",          &[415],      "The body is not in UTF-8"),
    row("unsupported_content_encoding", &[415],      "The body has a content coding"),
    row("idempotency_key_reused",       &[422],      "The Idempotency-Key came with another request before"),
    row("too_many_requests",            &[429],      "The caller sent too many requests; `Retry-After` says when to go on"),
    row("headers_too_large",            &[431],      "The headers are too large"),
    row("refused",                      &[],         "The request was refused for a reason that has no word of its own"),
    row("internal",                     &[500],      "Something failed that should not; the operator finds it by `trace_id`"),
    row("unavailable",                  &[503],      "A service or its database cannot be reached"),
    row("not_ready",                    &[503],      "A part that the service needs is not ready; `failing` names it"),
    row("unhealthy",                    &[503],      "A part of the service fails; `message` names it"),
    row("degraded",                     &[503],      "Not every service is healthy; `services` names them"),
    row("overloaded",                   &[503],      "Too many requests wait; nothing was done"),
    row("outcome_unknown",              &[503],      "A connection broke after the request may have arrived"),
    row("ledger_mismatch",              &[503],      "A database does not go with the ledger; an operator has to put it right"),
    row("storage_full",                 &[503],      "The disk of the database is full"),
    row("storage_read_only",            &[503],      "The database is read-only"),
    row("storage_unwritable",           &[503],      "The files of the database cannot be written"),
    row("timeout",                      &[504],      "A service did not answer in time"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once() {
        for row in CODES {
            let same = CODES.iter().filter(|other| other.code == row.code);
            assert_eq!(same.count(), 1, "{}", row.code);
        }
    }

    #[test]
    #[should_panic(expected = "no_such_code is not in api_error::CODES")]
    fn an_unlisted_code_is_found() {
        let _ = crate::ApiError::bad_request("No", "no_such_code");
    }
}
