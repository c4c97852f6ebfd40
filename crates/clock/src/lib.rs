//! Time and randomness, handed in from outside, so that a test decides them.
//!
//! Everything that asks what time it is, or draws a random value, holds a [`Clock`] or an [`Entropy`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as tokens count time (RFC 7519, NumericDate).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `span` later; stays at the last moment there is.
    pub fn plus(self, span: Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// RFC 3339 in UTC, as every API answer writes a time: always with six digits after the point, so that texts sort as moments do.
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0).saturating_mul(1000))
            .ok()
            .filter(|moment| (0..=9999).contains(&moment.year()))
            .map_or_else(|| "1970-01-01T00:00:00.000000Z".to_owned(), written)
    }

    /// Reads RFC 3339, in any zone.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1000))
            .ok()
            .map(Timestamp)
    }
}

fn written(moment: OffsetDateTime) -> String {
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second, micros) = moment.to_hms_micro();
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z",
        u8::from(month)
    )
}

/// Tells the time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// The machine's clock, and so many microseconds.
    Shifted(Arc<AtomicI64>),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Source::Manual(Arc::new(AtomicI64::new(start.micros()))))
    }

    /// A clock that goes like the machine's, and that can be set apart from it.
    pub fn shifted() -> Clock {
        Clock(Source::Shifted(Arc::default()))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp(machine_micros()),
            Source::Shifted(shift) => {
                Timestamp(machine_micros().saturating_add(shift.load(Ordering::SeqCst)))
            }
            Source::Manual(now) => Timestamp(now.load(Ordering::SeqCst)),
        }
    }

    /// Sets a manual or a shifted clock, also back; the machine's clock stays as it is.
    pub fn set(&self, moment: Timestamp) {
        match &self.0 {
            Source::System => {}
            Source::Shifted(shift) => {
                shift.store(
                    moment.micros().saturating_sub(machine_micros()),
                    Ordering::SeqCst,
                );
            }
            Source::Manual(now) => now.store(moment.micros(), Ordering::SeqCst),
        }
    }

    /// Moves a manual or a shifted clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }
}

fn machine_micros() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// Draws random values.
#[derive(Clone, Debug, Default)]
pub struct Entropy(Option<Arc<AtomicI64>>);

impl Entropy {
    /// The operating system's generator.
    pub fn system() -> Entropy {
        Entropy(None)
    }

    /// A fixed sequence: the same seed draws the same values.
    pub fn seeded(seed: i64) -> Entropy {
        Entropy(Some(Arc::new(AtomicI64::new(seed))))
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            None => {
                if let Err(error) = getrandom::fill(bytes) {
                    // Without randomness no token, salt or key is safe: going on would be worse.
                    panic!("the operating system gives no random bytes: {error}");
                }
            }
            Some(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let drawn = splitmix64(state.fetch_add(GOLDEN, Ordering::SeqCst));
                    for (to, from) in chunk.iter_mut().zip(drawn.to_le_bytes()) {
                        *to = from;
                    }
                }
            }
        }
    }

    /// Sixteen random bytes.
    pub fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUID of version 7 (RFC 9562) for `now`: random, and growing with time, which keeps index pages warm.
    pub fn uuid_v7(&self, now: Timestamp) -> uuid::Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The odd constant of splitmix64 (Steele, Lea, Flood 2014), as a signed number.
const GOLDEN: i64 = -7046029254386353131;

/// One step of splitmix64: enough for tests, and never used outside them.
fn splitmix64(state: i64) -> u64 {
    let mut z = u64::from_le_bytes(state.to_le_bytes());
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_rfc_3339() {
        let moment = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(moment.rfc3339(), "2023-11-14T22:13:20.123456Z");
        assert_eq!(Timestamp::parse_rfc3339(&moment.rfc3339()), Some(moment));
        assert_eq!(
            Timestamp::parse_rfc3339("2023-11-15T05:13:20.123456+07:00"),
            Some(moment)
        );
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
        for (micros, text) in [
            (1_700_000_000_258_180, "2023-11-14T22:13:20.258180Z"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (i64::MAX, "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).rfc3339(), text);
        }
    }

    #[test]
    fn a_test_decides_time_and_randomness() {
        let clock = Clock::manual(Timestamp::from_micros(5));
        clock.advance(Duration::from_micros(2));
        assert_eq!(clock.now(), Timestamp::from_micros(7));
        let shifted = Clock::shifted();
        shifted.set(Timestamp::from_micros(5));
        assert!((5..1_000_000_000).contains(&shifted.now().micros()));
        let draw = |seed| Entropy::seeded(seed).bytes16();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(Entropy::system().bytes16(), Entropy::system().bytes16());
    }
}
