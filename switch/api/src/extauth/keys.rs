//! The keys of the platform, as it publishes them (JWKS, RFC 7517).
//!
//! A set is fetched when it is old, and at once when a request names a key that is not in it, but
//! not more often than is configured however many such requests come. While it cannot be fetched
//! the last one counts, for as long as is configured; after that nobody is believed.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use veksel_adapters::flight::{Flight, Known, Step};

/// Keys that one set may have.
const KEYS_MAX: usize = 64;

/// Longest name of a key.
const KID_MAX: usize = 256;

/// A fetch: the bytes of a set, or why there are none.
pub type Fetching<'f> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'f>>;

/// Where the keys are published.
pub trait KeySource: Send + Sync {
    /// Fetches the set, within a bounded time.
    fn fetch(&self) -> Fetching<'_>;
}

/// A public key that is believed.
#[derive(Debug)]
pub(super) struct PublicKey {
    kid: String,
    components: RsaPublicKeyComponents<Vec<u8>>,
}

impl PublicKey {
    /// Whether a signature (RSASSA-PKCS1-v1_5 with SHA-256) is this key's over these bytes.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.components.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// When sets are fetched and how long they count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// A set that is older is fetched anew.
    pub(super) ttl: Duration,
    /// Between two fetches.
    pub(super) refresh: Duration,
    /// A set that is older counts no more.
    pub(super) keep: Duration,
}

/// See the module.
pub(super) struct KeyCache {
    source: Arc<dyn KeySource>,
    times: Times,
    bits_min: u32,
    kept: Flight<Keys, ()>,
}

/// A set, as it was fetched.
type Keys = Arc<Vec<Arc<PublicKey>>>;

impl KeyCache {
    pub(super) fn new(source: Arc<dyn KeySource>, times: Times, bits_min: u32) -> Arc<Self> {
        Arc::new(Self { source, times, bits_min, kept: Flight::default() })
    }

    /// The key of that name. May wait for the set, but not longer than `until`: too late is as good
    /// as not there, and the next request finds it.
    pub(super) async fn find(&self, kid: &str, until: Instant) -> Option<Arc<PublicKey>> {
        let Times { ttl, refresh, keep } = self.times;
        let judge = |known: &mut Known<Keys, ()>| {
            let is_too_soon =
                !known.is_under_way() && known.begun().is_some_and(|at| at.elapsed() < refresh);
            let fetch = fetch(Arc::clone(&self.source), self.bits_min);
            let Some((keys, at)) = known.kept().filter(|(_, at)| at.elapsed() < keep) else {
                return if is_too_soon { Step::Refuse(()) } else { Step::Fetch(fetch) };
            };
            let (keys, has_it) = (Arc::clone(keys), named(keys, kid).is_some());
            match has_it {
                true if at.elapsed() < ttl => Step::Take(keys),
                _ if is_too_soon => Step::Take(keys),
                true => Step::Renew(keys, fetch),
                false => Step::Fetch(fetch),
            }
        };
        let keys = self.kept.get(until, judge).await.ok()?;
        named(&keys, kid).map(Arc::clone)
    }

    /// How old the set is.
    pub(super) fn age(&self) -> Option<Duration> {
        self.kept.look(|known| known.kept().map(|(_, at)| at.elapsed()))
    }
}

fn named<'k>(keys: &'k [Arc<PublicKey>], kid: &str) -> Option<&'k Arc<PublicKey>> {
    keys.iter().find(|key| key.kid == kid)
}

async fn fetch(source: Arc<dyn KeySource>, bits_min: u32) -> Result<Keys, ()> {
    let read = source.fetch().await.and_then(|bytes| read_set(&bytes, bits_min));
    match read {
        Ok(keys) => {
            tracing::debug!(keys = keys.len(), "the platform's keys were fetched");
            Ok(Arc::new(keys))
        }
        // A person must look: when the last set is too old, every request is refused.
        Err(why) => {
            tracing::error!(why, "the platform's keys cannot be fetched");
            Err(())
        }
    }
}

/// How many keys of a set (JWKS) are believed, from so many bits on. For who only looks.
///
/// # Errors
/// Why nothing in it is.
pub fn keys_in(bytes: &[u8], bits_min: u32) -> Result<usize, String> {
    read_set(bytes, bits_min).map(|keys| keys.len())
}

/// The keys of a set that may sign. One that is too short, or of another kind, is passed over.
fn read_set(bytes: &[u8], bits_min: u32) -> Result<Vec<Arc<PublicKey>>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|_| "it is no JSON")?;
    let list = set.get("keys").and_then(Value::as_array).ok_or("it has no `keys`")?;
    let mut keys: Vec<Arc<PublicKey>> = Vec::new();
    for item in list.iter().take(KEYS_MAX) {
        let key = match read_key(item, bits_min) {
            Ok(key) => key,
            Err(why) => {
                tracing::warn!(why, "a key of the platform is not believed");
                continue;
            }
        };
        // Of two with one name neither can be told to be meant.
        if keys.iter().any(|known| known.kid == key.kid) {
            return Err("it has two keys of one name".to_owned());
        }
        keys.push(Arc::new(key));
    }
    if keys.is_empty() { Err("it has no key that may sign".to_owned()) } else { Ok(keys) }
}

fn read_key(item: &Value, bits_min: u32) -> Result<PublicKey, &'static str> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") {
        return Err("it is none of RSA");
    }
    if text("alg").is_some_and(|alg| alg != "RS256")
        || text("use").is_some_and(|use_| use_ != "sig")
    {
        return Err("it is not for signatures by RS256");
    }
    let kid = text("kid").filter(|kid| (1..=KID_MAX).contains(&kid.len()));
    let number = |name| {
        let digits = text(name)?.trim_end_matches('=');
        let bytes = URL_SAFE_NO_PAD.decode(digits).ok()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
    };
    let (kid, n, e) = (kid.ok_or("it has no name")?, number("n"), number("e"));
    let (n, e) = n.zip(e).ok_or("its numbers cannot be read")?;
    let unused = n.first().map_or(0, |first| first.leading_zeros());
    let bits = u32::try_from(n.len()).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(unused);
    if bits < bits_min {
        return Err("it is too short");
    }
    Ok(PublicKey { kid: kid.to_owned(), components: RsaPublicKeyComponents { n, e } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Sets in their order; the last for ever. `None` is an outage.
    struct Sets {
        list: Vec<Option<String>>,
        asked: AtomicUsize,
    }

    impl KeySource for Sets {
        fn fetch(&self) -> Fetching<'_> {
            let place = self.asked.fetch_add(1, Ordering::SeqCst).min(self.list.len() - 1);
            let answer = self.list[place].clone();
            Box::pin(async move { answer.map(String::into_bytes).ok_or("down".to_owned()) })
        }
    }

    fn key(kid: &str, bytes: usize) -> String {
        let n = URL_SAFE_NO_PAD.encode(vec![0xC5; bytes]);
        format!(r#"{{"kty":"RSA","alg":"RS256","use":"sig","kid":"{kid}","e":"AQAB","n":"{n}"}}"#)
    }

    fn set(keys: &[String]) -> Option<String> {
        Some(format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
    }

    fn cache(list: Vec<Option<String>>) -> (Arc<KeyCache>, Arc<Sets>) {
        let sets = Arc::new(Sets { list, asked: AtomicUsize::new(0) });
        let times = Times {
            ttl: Duration::from_secs(300),
            refresh: Duration::from_secs(30),
            keep: Duration::from_secs(86_400),
        };
        (KeyCache::new(Arc::<Sets>::clone(&sets), times, 2_048), sets)
    }

    async fn has(cache: &Arc<KeyCache>, kid: &str) -> bool {
        cache.find(kid, Instant::now() + Duration::from_millis(350)).await.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_looked_for_once_in_thirty_seconds() {
        let one = set(&[key("one", 256)]);
        let both = set(&[key("one", 256), key("two", 256)]);
        let (cache, sets) = cache(vec![one, both]);
        assert!(has(&cache, "one").await);
        for _ in 0..100 {
            assert!(!has(&cache, "two").await);
        }
        assert_eq!(sets.asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(has(&cache, "two").await, "the rotation is seen");
        assert_eq!(sets.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_bridged_for_a_day_and_no_longer() {
        let (cache, _) = cache(vec![set(&[key("one", 256)]), None]);
        assert!(has(&cache, "one").await);
        tokio::time::advance(Duration::from_secs(86_390)).await;
        assert!(has(&cache, "one").await, "the last good set counts");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!has(&cache, "one").await, "and not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_gone_from_the_set_counts_no_more() {
        let (cache, _) = cache(vec![set(&[key("one", 256)]), set(&[key("two", 256)])]);
        assert!(has(&cache, "one").await);
        tokio::time::advance(Duration::from_secs(301)).await;
        // The old set answers once more while the new one is on its way.
        let _ = has(&cache, "one").await;
        assert!(has(&cache, "two").await);
        assert!(!has(&cache, "one").await);
    }

    #[test]
    fn what_may_not_sign_is_not_believed() {
        let of_another_use = key("enc", 256).replace("\"sig\"", "\"enc\"");
        let of_another_kind = key("ec", 256).replace("\"RSA\"", "\"EC\"");
        let by_another_algorithm = key("ps", 256).replace("RS256", "PS256");
        let unreadable = key("bad", 256).replace("AQAB", "*");
        for item in
            [key("short", 128), of_another_use, of_another_kind, by_another_algorithm, unreadable]
        {
            let alone = format!(r#"{{"keys":[{item}]}}"#);
            assert!(read_set(alone.as_bytes(), 2_048).is_err(), "{item}");
            let beside = format!(r#"{{"keys":[{item},{}]}}"#, key("good", 256));
            let keys = read_set(beside.as_bytes(), 2_048).unwrap();
            assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["good"]);
        }
        // As many bytes, of which the first begins with zeros.
        let n = URL_SAFE_NO_PAD.encode([&[0x01][..], &[0xC5; 255][..]].concat());
        let shorter = format!(r#"{{"keys":[{{"kty":"RSA","kid":"s","e":"AQAB","n":"{n}"}}]}}"#);
        assert!(read_set(shorter.as_bytes(), 2_048).is_err());
        assert!(read_set(shorter.as_bytes(), 2_041).is_ok());
        // A zero in front makes no key longer.
        let n = URL_SAFE_NO_PAD.encode([&[0; 128][..], &[0xC5; 128][..]].concat());
        let padded = format!(r#"{{"keys":[{{"kty":"RSA","kid":"p","e":"AQAB","n":"{n}"}}]}}"#);
        assert!(read_set(padded.as_bytes(), 2_048).is_err());
        let twice = format!(r#"{{"keys":[{},{}]}}"#, key("a", 256), key("a", 256));
        assert!(read_set(twice.as_bytes(), 2_048).is_err());
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[1]}"#] {
            assert!(read_set(text.as_bytes(), 2_048).is_err(), "{text}");
        }
    }
}
