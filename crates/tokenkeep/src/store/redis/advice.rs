//! Looks at the opening whether the server is set up to keep what it is given.
//!
//! A server that does not say how it is set up, because the user may not ask (as with most that are hired), is not
//! judged.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;

/// What is to be said about a server, if it can be asked.
pub(super) async fn about(mut connection: MultiplexedConnection) -> Vec<&'static str> {
    let mut settings = BTreeMap::new();
    for name in ["maxmemory", "maxmemory-policy", "appendonly", "save"] {
        let asked = redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut connection).await;
        settings.extend(asked.unwrap_or_else(|_: redis::RedisError| BTreeMap::<String, String>::new()));
    }
    judge(|name| settings.get(name).map(String::as_str))
}

fn judge<'a>(setting: impl Fn(&str) -> Option<&'a str>) -> Vec<&'static str> {
    let policy = setting("maxmemory-policy").unwrap_or_default();
    let is_limited = setting("maxmemory").is_some_and(|limit| limit != "0");
    let mut advice = Vec::new();
    match policy.split_once('-').map_or(policy, |(of, _)| of) {
        "allkeys" if is_limited => advice.push(
            "the server drops tokens and logins when its memory is full (maxmemory-policy allkeys-…): set noeviction, or use \
             another server",
        ),
        "volatile" if is_limited => advice.push(
            "the server drops leases and counts of budgets when its memory is full (maxmemory-policy volatile-…), so that an \
             issuer may be asked twice or too often: set noeviction; tokens are not dropped",
        ),
        _ => {}
    }
    if setting("appendonly") == Some("no") && setting("save") == Some("") {
        advice.push(
            "the server keeps nothing on a disk (appendonly no, and no save): when it stops, all tokens and logins are \
             gone; set appendonly yes",
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(settings: &[(&str, &'static str)]) -> Vec<&'static str> {
        judge(|name| settings.iter().find(|(of, _)| *of == name).map(|(_, value)| *value))
    }

    #[test]
    fn only_what_can_lose_something_is_told() {
        let kept = [("appendonly", "yes"), ("save", "")];
        assert!(judged(&[]).is_empty(), "a server that says nothing");
        assert!(judged(&kept).is_empty());
        assert!(judged(&[("appendonly", "no"), ("save", "3600 1")]).is_empty());
        assert!(judged(&[("appendonly", "no"), ("save", "")])[0].contains("appendonly yes"));
        for (policy, told) in [
            ("noeviction", None),
            ("allkeys-lru", Some("drops tokens and logins")),
            ("allkeys-random", Some("drops tokens and logins")),
            ("volatile-lfu", Some("drops leases")),
            ("volatile-ttl", Some("drops leases")),
        ] {
            let limited = judged(&[("maxmemory-policy", policy), ("maxmemory", "100"), kept[0], kept[1]]);
            assert_eq!(limited.len(), usize::from(told.is_some()), "{policy}");
            assert!(told.is_none_or(|told| limited[0].contains(told)), "{policy}: {limited:?}");
            let unlimited = judged(&[("maxmemory-policy", policy), ("maxmemory", "0"), kept[0], kept[1]]);
            assert!(unlimited.is_empty(), "{policy} without a limit");
        }
    }
}
