//! The currencies, with the digits that amounts have: what pages, exports and other programs take them from.

use std::collections::HashMap;

use api_error::ApiError;
use axum::extract::{Query, State};
use http_server::Json;
use money::Currency;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Wallets;

/// A currency.
#[derive(Serialize, ToSchema)]
pub(super) struct CurrencyBody {
    /// The code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "IDR")]
    code: String,
    /// The number of ISO 4217.
    #[schema(minimum = 1, maximum = 999, example = 360)]
    numeric: u16,
    /// The number of digits after the point: an amount of 1250 is 12.50 where there are two. IDR has none here, where ISO 4217 has two.
    #[schema(minimum = 0, maximum = 4, example = 0)]
    exponent: u8,
    /// The name in English.
    #[schema(example = "Indonesian rupiah")]
    name: &'static str,
}

impl From<Currency> for CurrencyBody {
    fn from(currency: Currency) -> CurrencyBody {
        CurrencyBody {
            code: currency.to_string(),
            numeric: currency.numeric(),
            exponent: currency.exponent(),
            name: currency.name(),
        }
    }
}

/// Currencies, by code.
#[derive(Serialize, ToSchema)]
pub(super) struct CurrenciesBody {
    currencies: Vec<CurrencyBody>,
}

/// Which currencies: `?all=true`.
#[derive(IntoParams)]
#[into_params(names("all"), parameter_in = Query)]
pub(super) struct AllParameter(
    /// `true` for every code of ISO 4217, also those in which no wallet can be opened any more.
    #[param(value_type = bool, required = false, example = false)]
    #[expect(dead_code, reason = "only the document has it")]
    Option<bool>,
);

/// Lists the currencies that wallets can be opened in
///
/// Needs no token. The digits are those that every amount of this API has.
#[utoipa::path(
    get,
    path = "/currencies",
    operation_id = "listCurrencies",
    params(AllParameter),
    responses(
        (status = 200, description = "The currencies, by code.", body = CurrenciesBody),
        (status = 400, description = "Invalid query: invalid_query"),
    )
)]
pub(super) async fn list(
    State(wallets): State<Wallets>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<CurrenciesBody>, ApiError> {
    let currencies = match query.get("all").map(String::as_str) {
        None | Some("false") => wallets.currencies.iter().map(CurrencyBody::from).collect(),
        Some("true") => Currency::all().map(CurrencyBody::from).collect(),
        Some(_) => {
            return Err(ApiError::bad_request("Invalid query", "invalid_query")
                .field("all")
                .message("all is true or false"));
        }
    };
    Ok(Json(CurrenciesBody { currencies }))
}
