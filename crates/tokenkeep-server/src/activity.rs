//! What goes on on a connection: for whoever ends it when nothing does, and for whoever gives away its place.
//!
//! The hard problem is to tell a client that is waited for from one that waits. A request waits for its client as long as
//! the rest of its body is to come, and again when its answer is there to be taken; in between it waits for us. Whether a
//! client takes its answer shows in what is written on HTTP/1. On HTTP/2 a client has us write by a `PING` and takes
//! nothing, so there it shows in the pieces that are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::stopwatch::now;

/// What goes on on one connection. Clones watch the same one.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    began: Instant,
    first_request: Notify,
    /// A request asked for the end.
    end: Notify,
    had_requests: AtomicBool,
    writes_count: AtomicBool,
    /// Requests whose answer was not handed over whole.
    under_way: AtomicUsize,
    /// Those of them that wait for something else than their client.
    busy: AtomicUsize,
    /// Those of them that wait for the rest of their body.
    receiving: AtomicUsize,
    /// Those of them that are sent on as they come.
    uploading: AtomicUsize,
    /// Those of them whose body was waited for before, or is.
    unfinished: AtomicUsize,
    /// Since when there are some of these, in milliseconds since the connection began.
    unfinished_since: AtomicU64,
    /// Grows with each wait for something else than a client that ends, and with all that a client takes or uploads.
    events: AtomicUsize,
    /// When it last took or uploaded something, in milliseconds since the connection began.
    last_progress: AtomicU64,
}

/// What a connection does, in the order in which they give up their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occupation {
    /// It never had a request.
    None,
    /// It had some, and none now.
    Idle,
    /// It has some, and its client has kept them all waiting for a while: since then.
    Awaited(Instant),
    /// It has one.
    Busy,
}

impl Activity {
    /// That of a connection which begins now.
    pub(crate) fn new() -> Self {
        Self::begun(now())
    }

    fn begun(began: Instant) -> Self {
        Self(Arc::new(Counts {
            began,
            first_request: Notify::new(),
            end: Notify::new(),
            had_requests: AtomicBool::default(),
            writes_count: AtomicBool::default(),
            under_way: AtomicUsize::default(),
            busy: AtomicUsize::default(),
            receiving: AtomicUsize::default(),
            uploading: AtomicUsize::default(),
            unfinished: AtomicUsize::default(),
            unfinished_since: AtomicU64::default(),
            events: AtomicUsize::default(),
            last_progress: AtomicU64::default(),
        }))
    }

    /// A request came; it is under way until the guard is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        if !self.0.had_requests.swap(true, Ordering::Relaxed) {
            self.0.first_request.notify_one();
        }
        UnderWay(Exchange(Arc::new(State { phases: AtomicU8::new(WAITING), activity: self.clone() })))
    }

    /// From now on what is written is what a client takes.
    pub(crate) fn count_writes(&self) {
        self.0.writes_count.store(true, Ordering::Relaxed);
    }

    /// Something was written.
    pub(crate) fn wrote(&self) {
        if self.0.writes_count.load(Ordering::Relaxed) {
            self.progressed();
        }
    }

    /// Resolves when the connection has had a request. For one to wait.
    pub(crate) async fn had_request(&self) {
        if !self.0.had_requests.load(Ordering::Relaxed) {
            self.0.first_request.notified().await;
        }
    }

    /// Resolves when a request has shown that nothing can come of any other. For one to wait.
    pub(crate) async fn shall_end(&self) {
        self.0.end.notified().await;
    }

    /// Resolves when nothing has gone on for so long, and no request waited; at the latest after twice that.
    pub(crate) async fn none_for(&self, limit: Duration) {
        self.none_but(limit, || self.0.receiving.load(Ordering::Relaxed) > 0).await;
    }

    /// The same for a connection that is wound up: requests wait in vain for the rest of their body, unless it is sent on
    /// as it comes.
    pub(crate) async fn none_of_ours_for(&self, limit: Duration) {
        self.none_but(limit, || false).await;
    }

    async fn none_but(&self, limit: Duration, waits: impl Fn() -> bool) {
        loop {
            let before = self.0.events.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            let is_busy = self.0.busy.load(Ordering::Relaxed) > 0 || waits();
            if !is_busy && self.0.events.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Resolves when the connection is not busy, and was not so long before. For one whose place is wanted: what it does
    /// meanwhile keeps the place for it as long as it would have kept it before.
    pub(crate) async fn not_busy_for(&self, moment: Duration) {
        let mut was_busy = true;
        loop {
            tokio::time::sleep(moment).await;
            let is_busy = self.occupation() == Occupation::Busy;
            if !is_busy && !was_busy {
                return;
            }
            was_busy = is_busy;
        }
    }

    /// What the connection does now.
    pub(crate) fn occupation(&self) -> Occupation {
        self.occupation_at(now())
    }

    fn occupation_at(&self, now: Instant) -> Occupation {
        let under_way = self.0.under_way.load(Ordering::Relaxed);
        if under_way == 0 {
            let had_requests = self.0.had_requests.load(Ordering::Relaxed);
            return if had_requests { Occupation::Idle } else { Occupation::None };
        }
        if self.0.busy.load(Ordering::Relaxed) > 0 {
            return Occupation::Busy;
        }
        let receiving = self.0.receiving.load(Ordering::Relaxed);
        let are_read_whole = receiving >= under_way && self.0.uploading.load(Ordering::Relaxed) == 0;
        let unfinished_since = self.0.unfinished_since.load(Ordering::Relaxed);
        let (since, patience) = if are_read_whole {
            (unfinished_since, PATIENCE_WITH_BODY)
        } else {
            (self.0.last_progress.load(Ordering::Relaxed).max(unfinished_since), PATIENCE)
        };
        let since = self.0.began + Duration::from_millis(since);
        if now.saturating_duration_since(since) < patience { Occupation::Busy } else { Occupation::Awaited(since) }
    }

    fn progressed(&self) {
        self.note_time(&self.0.last_progress);
        self.something_happened();
    }

    fn note_time(&self, of: &AtomicU64) {
        let since = self.0.began.elapsed().as_millis();
        of.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn something_happened(&self) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request under way, and the end of it when this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Exchange);

impl UnderWay {
    /// For the body of the request.
    pub(crate) fn exchange(&self) -> Exchange {
        self.0.clone()
    }

    /// The answer is there. From here on its body says when it waits.
    pub(crate) fn answered(&self) {
        self.0.change(ANSWERED, true);
        self.0.change(WAITING, false);
        self.0.0.activity.something_happened();
    }

    /// More of the answer is to come, or some was handed over.
    pub(crate) fn waits(&self, waits: bool) {
        self.0.change(WAITING, waits);
        if !waits {
            self.0.0.activity.progressed();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.change(ENDED, true);
        self.0.0.activity.something_happened();
        self.0.0.activity.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Arc<State>);

#[derive(Debug)]
struct State {
    phases: AtomicU8,
    activity: Activity,
}

impl Exchange {
    /// The rest of the body is waited for.
    pub(crate) fn receives(&self) {
        let before = self.change(RECEIVING | UNFINISHED, true);
        let activity = &self.0.activity;
        // However little comes at a time, the time counts from when the first was waited for.
        if before & UNFINISHED == 0 && activity.0.unfinished.load(Ordering::Relaxed) == 1 {
            activity.note_time(&activity.0.unfinished_since);
        }
    }

    /// Some of it came, or nobody waits for it any more.
    pub(crate) fn received(&self) {
        let before = self.change(RECEIVING, false);
        if before & RECEIVING != 0 && before & UPLOAD != 0 {
            self.0.activity.progressed();
        }
    }

    /// The body is sent on as it comes, for somebody who may: as long as it comes on, the request keeps its place.
    pub(crate) fn uploads(&self) {
        self.change(UPLOAD, true);
    }

    /// Nothing can come of another request on this connection.
    pub(crate) fn ends_connection(&self) {
        self.0.activity.0.end.notify_one();
    }

    /// What held before.
    fn change(&self, changed: u8, on: bool) -> u8 {
        let phases = &self.0.phases;
        let before = if on {
            phases.fetch_or(changed, Ordering::Relaxed)
        } else {
            phases.fetch_and(!changed, Ordering::Relaxed)
        };
        let after = if on { before | changed } else { before & !changed };
        let counts = &self.0.activity.0;
        count(&counts.busy, is_busy(before), is_busy(after));
        count(&counts.receiving, is_receiving(before), is_receiving(after));
        count(&counts.uploading, is_uploading(before), is_uploading(after));
        count(&counts.unfinished, is_unfinished(before), is_unfinished(after));
        before
    }
}

fn count(requests: &AtomicUsize, was_one: bool, is_one: bool) {
    match (was_one, is_one) {
        (false, true) => _ = requests.fetch_add(1, Ordering::Relaxed),
        (true, false) => _ = requests.fetch_sub(1, Ordering::Relaxed),
        (false, false) | (true, true) => {}
    }
}

/// Whether a request waits for something else than its client.
fn is_busy(phases: u8) -> bool {
    phases & ENDED == 0 && phases & WAITING != 0 && !is_receiving(phases)
}

/// Whether it waits for its client's body. Once it is answered, that is no reason to wait.
fn is_receiving(phases: u8) -> bool {
    phases & (ENDED | ANSWERED) == 0 && phases & RECEIVING != 0
}

fn is_uploading(phases: u8) -> bool {
    is_receiving(phases) && phases & UPLOAD != 0
}

/// Whether it may wait for its client's body again.
fn is_unfinished(phases: u8) -> bool {
    phases & (ENDED | ANSWERED) == 0 && phases & UNFINISHED != 0
}

/// The handler runs, or more of the answer is to come.
const WAITING: u8 = 1;
/// The body of the request is waited for.
const RECEIVING: u8 = 2;
/// The head of the answer is there.
const ANSWERED: u8 = 4;
const ENDED: u8 = 8;
/// The body is not read whole but sent on.
const UPLOAD: u8 = 16;
/// The body of the request was waited for.
const UNFINISHED: u8 = 32;
/// How long a client may take nothing of an answer, or pause in an upload, before it gives way to others when all places
/// are taken. Systems have megabytes on their way before they take more.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to send a body that is read whole. It is short, and mostly on its way.
const PATIENCE_WITH_BODY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANT: Duration = Duration::from_millis(500);
    const MOMENT: Duration = Duration::from_secs(4);
    const WHILE: Duration = Duration::from_secs(6);

    fn is_awaited(activity: &Activity, after: Duration) -> bool {
        matches!(activity.occupation_at(now() + after), Occupation::Awaited(_))
    }

    #[test]
    fn a_request_that_waits_for_us_keeps_its_place_however_long_it_takes() {
        let activity = Activity::new();
        assert_eq!(activity.occupation(), Occupation::None);
        let request = activity.begin();
        assert_eq!(activity.occupation_at(now() + WHILE), Occupation::Busy);
        request.answered();
        request.waits(true);
        assert_eq!(activity.occupation_at(now() + WHILE), Occupation::Busy);
        drop(request);
        assert_eq!(activity.occupation(), Occupation::Idle);
    }

    #[test]
    fn a_request_whose_body_is_to_come_gives_way_after_a_moment_and_an_upload_only_when_it_pauses() {
        let activity = Activity::new();
        let (request, other) = (activity.begin(), activity.begin());
        request.exchange().receives();
        assert_eq!(activity.occupation_at(now() + WHILE), Occupation::Busy, "the other one waits for us");
        drop(other);
        assert_eq!(activity.occupation_at(now() + INSTANT), Occupation::Busy, "it may be on its way");
        assert!(is_awaited(&activity, MOMENT));
        request.exchange().uploads();
        assert_eq!(activity.occupation_at(now() + MOMENT), Occupation::Busy);
        assert!(is_awaited(&activity, WHILE));
        request.exchange().received();
        assert_eq!(activity.occupation_at(now() + WHILE), Occupation::Busy, "all of it is there");
    }

    #[test]
    fn a_body_that_comes_byte_by_byte_is_waited_for_since_its_first() {
        let activity = Activity::new();
        let request = activity.begin();
        request.exchange().receives();
        let since = activity.occupation_at(now() + MOMENT);
        while activity.0.began.elapsed() < Duration::from_millis(3) {
            request.exchange().received();
            request.exchange().receives();
        }
        assert_eq!(activity.occupation_at(now() + MOMENT), since);
        let other = activity.begin();
        other.exchange().receives();
        assert_eq!(activity.occupation_at(now() + MOMENT), since, "another one changes nothing");
    }

    #[test]
    fn who_waits_for_its_client_for_the_longest_time_leaves_first_and_after_those_that_are_idle() {
        let since = now();
        let mut occupations =
            [Occupation::Busy, Occupation::Awaited(since + MOMENT), Occupation::Awaited(since), Occupation::Idle];
        occupations.sort();
        assert_eq!(
            occupations,
            [Occupation::Idle, Occupation::Awaited(since), Occupation::Awaited(since + MOMENT), Occupation::Busy]
        );
    }

    #[test]
    fn an_answer_that_nobody_takes_gives_way_whatever_else_is_written() {
        let activity = Activity::new();
        let request = activity.begin();
        request.answered();
        assert_eq!(activity.occupation_at(now() + MOMENT), Occupation::Busy);
        activity.wrote();
        assert!(is_awaited(&activity, WHILE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_waited_for_holds_up_no_end() {
        let activity = Activity::new();
        let request = activity.begin();
        let ended = tokio::time::timeout(WHILE * 3, activity.none_of_ours_for(WHILE));
        ended.await.unwrap_err();
        let exchange = request.exchange();
        exchange.receives();
        tokio::select! {
            () = activity.none_of_ours_for(WHILE) => {}
            () = drip(&exchange, INSTANT) => {}
        }
        tokio::time::timeout(WHILE * 3, activity.none_for(WHILE)).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_byte_by_byte_keeps_no_place_that_is_wanted() {
        let activity = Activity::begun(now().checked_sub(WHILE).unwrap());
        let request = activity.begin();
        let exchange = request.exchange();
        exchange.receives();
        activity.0.unfinished_since.store(0, Ordering::Relaxed);
        tokio::select! {
            () = activity.not_busy_for(INSTANT) => {}
            () = drip(&exchange, INSTANT / 10) => {}
        }
        exchange.received();
        tokio::time::timeout(WHILE, activity.not_busy_for(INSTANT)).await.expect_err("all of it is there");
    }

    /// Some of a body comes again and again.
    async fn drip(exchange: &Exchange, pause: Duration) {
        loop {
            tokio::time::sleep(pause).await;
            exchange.received();
            exchange.receives();
        }
    }
}
