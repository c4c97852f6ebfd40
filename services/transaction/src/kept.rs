//! The newest pages of history, kept as they were sent: who looks again when nothing is new costs no rows and no JSON.
//!
//! What must hold: a kept page is only answered while it is what the rows would say. A user's history is only added to, and its
//! version is how many entries it has ([`Version`]), whichever process added them. A page is kept with the version that its rows
//! are of, read in the same statement (on SQLite just before, which at worst costs one more read), and it is answered when that is
//! the version still. This is asked after the reader caught up, so the version counts everything that was accepted before the
//! request.
//!
//! The same number means the same rows only between readers who caught up. A crash of the database may undo the newest entries that
//! came from the log; they come again from there, and something else may be recorded before they do. Who catches up has them, as
//! everybody had who caught up before: of two such states one has all rows of the other, so with the same number they are one. Who
//! could not catch up is answered from the rows. History that was built anew has another generation, and no page of before is answered.

use std::time::Duration;

use api_error::ApiError;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use feed_follower::{Follower, Freshness};
use http::header::{CONTENT_TYPE, HeaderValue};
use http_server::Metrics;
use ledger_api::Kinds;
use moka::sync::Cache;
use prometheus::{IntCounter, IntCounterVec, Opts};
use store::Database;

use crate::store::{Cursor, Pages, Place, Version, Versions};
use crate::wire::TransactionsBody;

/// How much memory the pages take.
const KEPT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What a page takes beside its text, about.
const KEPT_OVERHEAD_BYTES: u32 = 256;
/// How long a page is kept at most. Rows that somebody takes away by hand, or that a failover loses, are shown no longer than this.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// A page of transactions as JSON.
pub(crate) struct PageBody(Bytes);

impl IntoResponse for PageBody {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, json)], self.0).into_response()
    }
}

#[derive(Clone)]
struct Kept {
    /// Of the follower.
    generation: u64,
    version: Version,
    body: Bytes,
}

impl Kept {
    fn weight(&self) -> u32 {
        let text = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        text.saturating_add(KEPT_OVERHEAD_BYTES)
    }
}

/// Pages of history, and the newest ones kept.
pub(crate) struct KeptPages {
    pages: Pages,
    versions: Versions,
    follower: Follower,
    kept: Cache<Place, Kept>,
    answered_kept: IntCounter,
    answered_read: IntCounter,
}

impl KeptPages {
    /// Pages of the history in this database. None is kept yet.
    pub(crate) fn new(
        database: Database,
        kinds: &'static Kinds,
        follower: Follower,
        metrics: &Metrics,
    ) -> anyhow::Result<KeptPages> {
        let answered = Opts::new(
            "history_pages_total",
            "Pages of history that were answered: from memory (kept), or from the database (read).",
        );
        let answered = IntCounterVec::new(answered, &["source"])?;
        metrics.register(answered.clone())?;
        Ok(KeptPages {
            pages: Pages::new(database.clone(), kinds),
            versions: Versions::new(database),
            follower,
            kept: Cache::builder()
                .max_capacity(KEPT_BYTES_MAX)
                .weigher(|_, kept: &Kept| kept.weight())
                .time_to_live(KEPT_FOR)
                .build(),
            answered_kept: answered.with_label_values(&["kept"]),
            answered_read: answered.with_label_values(&["read"]),
        })
    }

    /// The page at this place, for a reader who caught up or could not.
    pub(crate) async fn read(
        &self,
        place: Place,
        freshness: Freshness,
    ) -> Result<PageBody, ApiError> {
        // Few go further back, and each of those pages is seldom asked for twice.
        let may_be_kept = freshness == Freshness::Current && place.after == Cursor::NEWEST;
        if may_be_kept && let Some(body) = self.kept(place).await? {
            self.answered_kept.inc();
            return Ok(PageBody(body));
        }
        let generation = self.follower.generation();
        let found = self.pages.read(place).await?;
        let body = json(&TransactionsBody::of(&found.rows, place.limit))?;
        self.answered_read.inc();
        if let Some(version) = found.version
            && may_be_kept
        {
            let body = body.clone();
            let kept = Kept {
                generation,
                version,
                body,
            };
            self.kept.insert(place, kept);
        }
        Ok(PageBody(body))
    }

    /// The kept page, if there is one and nothing is new.
    async fn kept(&self, place: Place) -> Result<Option<Bytes>, ApiError> {
        let generation = self.follower.generation();
        let kept = self.kept.get(&place);
        let Some(kept) = kept.filter(|kept| kept.generation == generation) else {
            return Ok(None);
        };
        let version = self.versions.read(place.user_id).await?;
        Ok((version == Some(kept.version)).then_some(kept.body))
    }
}

/// Without room at the end: it may be kept.
fn json(page: &TransactionsBody) -> Result<Bytes, ApiError> {
    let text = serde_json::to_vec(page).map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a page of history cannot be written as JSON"
        );
        ApiError::internal()
    })?;
    Ok(text.into_boxed_slice().into())
}
