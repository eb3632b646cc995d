//! The places that a listener has for connections, and who gives up one when all are taken.
//!
//! Whoever opens connections and sends nothing must not shut out those who do. So when all places are taken, a
//! connection without a request under way ends for the newcomer: first those that never sent one, the oldest first. Where
//! there is none, one ends whose requests all wait for their client, which has not sent their body or takes nothing of
//! their answer, and has had some time for it: first the one that has waited longest. What waits for us keeps its place,
//! and when that is all a newcomer waits. And one address has a part of the places only, unless it is this machine, where
//! everybody may come through the same proxy.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Occupation};
use crate::server::Limits;

/// The places of a listener.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    per_address: usize,
    taken: Mutex<BTreeMap<u64, Occupant>>,
}

/// A connection's place; free again when it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

struct Occupant {
    /// `None`: of this machine.
    address: Option<IpAddr>,
    leave: CancellationToken,
    /// `None` until it can have requests.
    activity: Option<Activity>,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limits.max_connections)),
            per_address: limits.max_connections_per_address,
            taken: Mutex::default(),
        }
    }

    /// How many connections have a place now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().len()
    }

    /// A place for a connection from this address, `None`: a unix socket. Waits while requests are under way on all;
    /// `None` if this address has its part.
    pub(crate) async fn take(self: &Arc<Self>, address: Option<IpAddr>) -> io::Result<Option<Place>> {
        let address = address.and_then(counted);
        if address.is_some() && !self.has_room_for(address) {
            return Ok(None);
        }
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return Ok(Some(self.occupied(address, permit)));
            }
            make_one_leave(self.lock().values());
            // What is busy now may be idle soon, and keeps its place then.
            let permit = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(PAUSE, permit).await {
                return Ok(Some(self.occupied(address, permit.map_err(io::Error::other)?)));
            }
        }
    }

    /// Whether an address has less than its part, or gives up one more connection for a new one. Those that are to leave
    /// count until they are gone.
    fn has_room_for(&self, address: Option<IpAddr>) -> bool {
        let taken = self.lock();
        let its_own = || taken.values().filter(|occupant| occupant.address == address);
        its_own().count() < self.per_address || make_one_leave(its_own())
    }

    fn occupied(self: &Arc<Self>, address: Option<IpAddr>, permit: OwnedSemaphorePermit) -> Place {
        let leave = CancellationToken::new();
        let mut taken = self.lock();
        let number = taken.last_key_value().map_or(0, |(last, _)| last + 1);
        taken.insert(number, Occupant { address, leave: leave.clone(), activity: None });
        Place { places: Arc::clone(self), number, leave, _permit: permit }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Occupant>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// From now on the connection can have requests.
    pub(crate) fn watch(&self, activity: Activity) {
        if let Some(occupant) = self.places.lock().get_mut(&self.number) {
            occupant.activity = Some(activity);
        }
    }

    /// Resolves when the place is wanted by another: the connection shall end as soon as no request is under way.
    pub(crate) async fn wanted(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.number);
    }
}

impl Occupant {
    fn occupation(&self) -> Occupation {
        // It was told already; another one leaves.
        if self.leave.is_cancelled() {
            return Occupation::Busy;
        }
        self.activity.as_ref().map_or(Occupation::None, Activity::occupation)
    }
}

/// Ends the one that is missed least, and says whether there was any.
fn make_one_leave<'o>(occupants: impl Iterator<Item = &'o Occupant>) -> bool {
    let least = occupants.map(|occupant| (occupant.occupation(), occupant)).min_by_key(|(occupation, _)| *occupation);
    match least {
        Some((Occupation::None | Occupation::Idle | Occupation::Awaited(_), occupant)) => {
            occupant.leave.cancel();
            true
        }
        Some((Occupation::Busy, _)) | None => false,
    }
}

/// The address under which connections are counted; `None` for this machine. Whoever has IPv6 has 2⁶⁴ addresses.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(address) if address.is_loopback() => None,
        IpAddr::V6(address) if address.is_loopback() => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => Some(address),
    }
}

/// Until it is looked again whether a connection has become idle.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::UnderWay;

    fn places(max_connections: usize, max_connections_per_address: usize) -> Arc<Places> {
        let limits = Limits { max_connections, max_connections_per_address, ..Limits::default() };
        Arc::new(Places::new(&limits))
    }

    async fn take(places: &Arc<Places>, from: &str) -> Option<Place> {
        places.take(Some(from.parse().unwrap())).await.unwrap()
    }

    /// As a connection that has a request under way.
    fn busy(place: &Place) -> UnderWay {
        let activity = Activity::new();
        place.watch(activity.clone());
        activity.begin()
    }

    #[tokio::test]
    async fn one_address_gets_its_part_and_others_the_rest() {
        let places = places(4, 2);
        let (first, second) = (take(&places, "192.0.2.1").await.unwrap(), take(&places, "192.0.2.1").await.unwrap());
        let _under_way = [busy(&first), busy(&second)];
        assert!(take(&places, "192.0.2.1").await.is_none());
        assert!(take(&places, "::ffff:192.0.2.1").await.is_none(), "the same address in other words");
        let _other = take(&places, "192.0.2.2").await.unwrap();
        drop(first);
        assert!(take(&places, "192.0.2.1").await.is_some());
    }

    #[tokio::test]
    async fn an_address_gives_up_its_own_idle_connection_for_a_new_one() {
        let places = places(4, 1);
        let other = take(&places, "192.0.2.2").await.unwrap();
        let first = take(&places, "192.0.2.1").await.unwrap();
        let _second = take(&places, "192.0.2.1").await.unwrap();
        first.wanted().await;
        assert!(!other.leave.is_cancelled());
    }

    #[tokio::test]
    async fn a_connection_that_is_to_leave_counts_until_it_is_gone() {
        let places = places(8, 2);
        let (leaving, first) = (take(&places, "192.0.2.1").await.unwrap(), take(&places, "192.0.2.1").await.unwrap());
        let _under_way = busy(&first);
        let second = take(&places, "192.0.2.1").await.unwrap();
        leaving.wanted().await;
        let _under_way_too = busy(&second);
        drop(first);
        assert!(take(&places, "192.0.2.1").await.is_none());
        drop(leaving);
        assert!(take(&places, "192.0.2.1").await.is_some());
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address_and_this_machine_is_none() {
        let places = places(8, 1);
        let first = take(&places, "2001:db8::1").await.unwrap();
        let _under_way = busy(&first);
        assert!(take(&places, "2001:db8::ffff:1").await.is_none());
        let _neighbour = take(&places, "2001:db8:0:1::1").await.unwrap();
        for here in ["127.0.0.1", "::1", "127.0.0.1", "::ffff:127.0.0.1"] {
            let place = take(&places, here).await.unwrap();
            drop(busy(&place));
        }
    }

    #[tokio::test]
    async fn those_leave_first_that_never_asked_then_those_that_are_idle_and_never_the_busy() {
        let places = places(3, 3);
        let working = take(&places, "127.0.0.1").await.unwrap();
        let idle = take(&places, "127.0.0.1").await.unwrap();
        let silent = take(&places, "127.0.0.1").await.unwrap();
        let (_under_way, was_under_way) = (busy(&working), busy(&idle));
        drop(was_under_way);
        let leaving = async {
            silent.wanted().await;
            assert!(!idle.leave.is_cancelled());
            drop(silent);
        };
        let (newcomer, ()) = tokio::join!(take(&places, "127.0.0.1"), leaving);
        let _under_way_too = busy(newcomer.as_ref().unwrap());
        let leaving = async {
            idle.wanted().await;
            drop(idle);
        };
        tokio::join!(take(&places, "127.0.0.1"), leaving).0.unwrap();
        assert!(!working.leave.is_cancelled());
    }
}
