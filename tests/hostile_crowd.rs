//! Many peers at once on the driver's port: the caps, each at its limit and one beyond it, and who is still served.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;
#[path = "support/sockets.rs"]
mod sockets;
#[path = "support/ways.rs"]
mod ways;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use job::{Always, EPOCH, Job};
use safe_conduct::distribute::{Answer, AskOutcome, ClientLimits, ExecutorProof, RunningServer, ServerLimits};
use safe_conduct::store::{CredentialStore, Version};
use ways::{FAR_OFF, LONG, WAYS, Way};

fn limits(threads: usize) -> ServerLimits {
    ServerLimits { threads, authenticate: FAR_OFF, exchange: FAR_OFF }
}

fn neighbour(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

fn silent(number: u8, to: SocketAddr) -> TcpStream {
    sockets::connect_from(neighbour(number), to).unwrap()
}

fn failed(server: &RunningServer) -> u64 {
    server.asks().read()["failed"]
}

/// Whether the driver has closed it, without waiting longer than a moment.
fn is_closed(mut socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    !matches!(socket.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Asks until there is an answer: a gate may have turned it away.
fn served_at_last(way: Way, job: &Job, address: SocketAddr) -> bool {
    (0..1000).any(|_| way.is_served(job, address))
}

#[test]
fn bad_input_314_ten_thousand_connections_leave_an_honest_executor_served() {
    for way in WAYS {
        let (job, server, address) = way.served(ServerLimits::default());
        for round in 0..40u8 {
            let crowd: Vec<TcpStream> = (0..84).map(|number| silent(2 + number % 16, address)).collect();
            for (number, mut socket) in crowd.into_iter().enumerate() {
                match number % 4 {
                    0 => drop(socket),
                    1 => sockets::reset(socket),
                    2 => drop(socket.write_all(b"\x16\x03\x01")),
                    _ => drop(socket.write_all(b"GET / HTTP/1.1\r\n\r\n")),
                }
            }
            // Its turn comes behind all of them.
            assert!(served_at_last(way, &job, address), "{way:?}, {round}");
        }
        let asks = server.asks();
        server.stop();
        // 3,360 of each way: over 10,000 in all. What is kept of them is a number.
        let counted = asks.read();
        assert!(counted["failed"] > 3_000, "{counted:?}");
        assert_eq!(counted.len(), 4, "{counted:?}");
    }
}

#[test]
fn of_64_silent_peers_at_16_addresses_none_keeps_an_honest_executor_from_its_credentials_for_5_s() {
    for way in WAYS {
        let (job, server, address) = way.served(ServerLimits::default());
        let crowd: Vec<TcpStream> = (0..64).map(|number| silent(2 + number % 16, address)).collect();
        let store = Arc::new(CredentialStore::new());
        let (tell, told) = channel();
        let client = job.executor_proving(address.port(), way.executor(&job), ClientLimits::default()).unwrap();
        let notify = Box::new(move |outcome: &AskOutcome| {
            let _ = tell.send(outcome.kind());
        });
        let _running = client.start(Arc::clone(&store), Arc::new(Always(0xff)), notify).unwrap();
        let served = store.wait_newer(None, Duration::from_secs(5));
        let said: Vec<&str> = told.try_iter().collect();
        assert!(served.is_some(), "{way:?}: {said:?}, {:?}", server.asks().read());
        drop(crowd);
    }
}

#[test]
fn as_many_connections_as_threads_are_served_at_once_and_the_next_one_waits_for_a_thread() {
    let (job, _server, address) = Way::Keys.served(limits(2));
    let held = [silent(2, address), silent(3, address)];
    let mut waiting = silent(4, address);
    waiting.write_all(b"no TLS at all").unwrap();
    // Its first bytes would end it at once, if a thread looked at them.
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(waiting.read(&mut [0; 1]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    let [first, second] = held;
    drop(first);
    waiting.set_read_timeout(Some(LONG)).unwrap();
    let answered = waiting.read(&mut [0; 16]);
    assert!(answered.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true));
    assert!(Way::Keys.is_served(&job, address));
    drop(second);
}

#[test]
fn one_address_has_four_strangers_while_few_threads_are_free_and_the_fifth_is_counted_as_turned_away() {
    // Of 9 threads, 2 connections leave fewer than 8 free.
    let (_job, server, address) = Way::Keys.served(limits(9));
    let mut held = Vec::new();
    // Another address has its own four. Threads take connections side by side, so the fifth need not be the last.
    for (number, turned_away) in [(2, 1), (3, 2)] {
        let five: Vec<TcpStream> = (0..5).map(|_| silent(number, address)).collect();
        let closed = || five.iter().filter(|socket| is_closed(socket)).count();
        assert!((0..1000).any(|_| closed() == 1), "address {number}");
        assert_eq!(failed(&server), turned_away, "it is counted before it is closed");
        assert_eq!(closed(), 1, "the other four stay");
        held.extend(five);
    }
    let asks = server.asks();
    server.stop();
    assert_eq!(asks.read()["failed"], 10, "those who were cut off by the end too");
}

#[test]
fn executors_behind_one_address_are_all_served_by_and_by_as_each_stops_being_a_stranger() {
    for way in WAYS {
        let (job, server, address) = way.served(ServerLimits::default());
        let proof = way.executor(&job);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let answered =
                            (0..1000).any(|_| ways::ask_with(&job, proof.clone(), address.port(), None).is_ok());
                        assert!(answered, "{way:?}");
                    }
                });
            }
        });
        let asks = server.asks();
        server.stop();
        assert_eq!(asks.read()["bundle"], 80, "{way:?}");
    }
}

/// What the driver keeps of asks is counts: names that are all different make nothing longer.
#[test]
fn a_thousand_names_are_a_thousand_asks_and_no_list() {
    let (job, server, address) = Way::Keys.served(ServerLimits::default());
    let have = Some(Version { epoch: EPOCH, number: 1 });
    for number in 0..1000 {
        let mut stream = Way::Keys.admitted(&job, address);
        stream.write_all(&Way::Keys.ask_frame(&format!("executor-{number}"), have)).unwrap();
        let mut kind = [0; 4];
        stream.read_exact(&mut kind).unwrap();
        assert_eq!(kind, *b"SC\x01\x03");
    }
    let asks = server.asks();
    server.stop();
    assert_eq!(asks.read(), [("bundle", 0), ("failed", 0), ("refused", 0), ("unchanged", 1000)].into());
    assert!(job.audit.0.lock().unwrap().is_empty(), "an ask with something in hand leaves no line");
}

/// The driver's server has no way to the STS: what it answers with lies in the store.
#[test]
fn a_burst_of_first_asks_reads_the_same_version_and_leaves_the_store_as_it_was() {
    let (job, server, address) = Way::Keys.served(ServerLimits::default());
    let proof = ExecutorProof::KeyFile(job.file("executors.pem"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    match ways::ask_with(&job, proof.clone(), address.port(), None) {
                        Ok(Answer::Bundle { bundle, next_ask }) => {
                            assert_eq!(bundle.version, Version { epoch: EPOCH, number: 1 });
                            assert!(next_ask >= Duration::from_secs(30), "half of the poll interval at least");
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    let asks = server.asks();
    server.stop();
    assert_eq!(asks.read()["bundle"], 200);
    assert_eq!(job.store.newest().map(|held| held.version.number), Some(1));
    assert_eq!(job.audit.0.lock().unwrap().len(), 10, "and ten lines a second at most");
}
