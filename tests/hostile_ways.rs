//! Bad inputs 309 to 323 on the driver's port, by their numbers, in each of the three ways to prove oneself.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;
#[path = "support/ways.rs"]
mod ways;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use job::{EPOCH, Job, ManualClock, NOW, bundle};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use safe_conduct::codec::frame::{HEADER_LENGTH, Header};
use safe_conduct::distribute::message::{MAX_ASK, MAX_ASK_WITH_TOKEN, Reply};
use safe_conduct::distribute::{Answer, AskError, ClientLimits, ExecutorProof, Refusal, ServerLimits};
use safe_conduct::store::{Applied, CredentialStore, Epoch, Version};
use safe_conduct::sys::tls::{TlsError, TlsStream};
use safe_conduct::time::Clock;
use ways::{FAR_OFF, LONG, SHORT, TOKEN, WAYS, Way};

fn limits(threads: usize, limit: Duration) -> ServerLimits {
    ServerLimits { threads, authenticate: limit, exchange: limit }
}

/// No answer: a close, and not only at the test's own deadline.
fn is_closed(mut stream: TlsStream) -> bool {
    matches!(stream.read_exact(&mut [0; 1]), Err(TlsError::Broken { .. }))
}

fn header(kind: u8, length: usize) -> [u8; 8] {
    let [l0, l1, l2, l3] = u32::try_from(length).unwrap().to_be_bytes();
    [b'S', b'C', 1, kind, l0, l1, l2, l3]
}

/// The kind of an ask and the longest body that this way's driver takes.
fn longest(way: Way) -> (u8, usize) {
    if way == Way::Tokens { (5, MAX_ASK_WITH_TOKEN) } else { (1, MAX_ASK) }
}

#[test]
fn bad_input_309_a_length_of_nothing_or_beyond_the_longest_ask_is_closed_without_waiting_for_it() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, FAR_OFF));
        let (kind, most) = longest(way);
        for length in [0, most + 1, 65_536, 65_537, u32::MAX as usize] {
            let mut stream = way.admitted(&job, address);
            stream.write_all(&header(kind, length)).unwrap();
            assert!(is_closed(stream), "{way:?}: {length}");
        }
        // The longest is waited for: the connection stays.
        let mut stream = way.admitted(&job, address);
        stream.set_deadline(SHORT);
        stream.write_all(&header(kind, most)).unwrap();
        assert_eq!(stream.read_exact(&mut [0; 1]), Err(TlsError::TimedOut), "{way:?}");
        assert!(job.audit.0.lock().unwrap().is_empty());
        assert!(way.is_served(&job, address), "{way:?}");
    }
}

#[test]
fn bad_input_310_an_ask_that_breaks_off_is_closed_at_the_deadline() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(32, SHORT));
        let frame = way.ask_frame("e", None);
        let cut: Vec<TlsStream> = [0, 1, 7, 8, 9, frame.len() - 1]
            .into_iter()
            .map(|length| {
                let mut stream = way.admitted(&job, address);
                stream.write_all(&frame[..length]).unwrap();
                stream
            })
            .collect();
        assert!(cut.into_iter().all(is_closed), "{way:?}");
        assert!(job.audit.0.lock().unwrap().is_empty());
        assert!(way.is_served(&job, address), "{way:?}");
    }
}

#[test]
fn bad_inputs_311_and_312_what_is_not_known_and_what_is_left_over_get_a_close_and_no_answer() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, FAR_OFF));
        let good = way.ask_frame("e", None);
        let changed = |place: usize, byte: u8| {
            let mut frame = good.clone();
            frame[place] = byte;
            frame
        };
        let longer = [&header(good[3], good.len() - HEADER_LENGTH + 1)[..], &good[HEADER_LENGTH..], &[0]].concat();
        for (number, what, frame) in [
            (311, "another magic", changed(0, b'X')),
            (311, "another framing", changed(2, 2)),
            (311, "an answer's kind", changed(3, 2)),
            (311, "an unknown kind", changed(3, 99)),
            (311, "an unknown flag", changed(12, 2)),
            (311, "a name that cannot be", changed(11, b'/')),
            (312, "a byte too many", longer),
        ] {
            let mut stream = way.admitted(&job, address);
            stream.write_all(&frame).unwrap();
            assert!(is_closed(stream), "{way:?}, {number}: {what}");
        }
        if way != Way::Tokens {
            let mut stream = way.admitted(&job, address);
            stream.write_all(&Way::Tokens.ask_frame("e", None)).unwrap();
            assert!(is_closed(stream), "{way:?}, 311: a token that nobody asked for");
        }
        assert!(job.audit.0.lock().unwrap().is_empty());
        assert!(way.is_served(&job, address), "{way:?}");
    }
}

#[test]
fn bad_input_311_a_newer_protocol_is_refused_in_words_that_it_understands() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let body = [&2u16.to_be_bytes()[..], &[0xff; 40]].concat();
        let mut stream = way.admitted(&job, address);
        stream.write_all(&[&header(longest(way).0, body.len())[..], &body].concat()).unwrap();
        assert_eq!(refusal_in(&mut stream), Refusal::Protocol, "{way:?}");
    }
}

fn refusal_in(stream: &mut TlsStream) -> Refusal {
    let mut header = [0; HEADER_LENGTH];
    stream.read_exact(&mut header).unwrap();
    let header = Header::decode(header).unwrap();
    let mut body = vec![0; header.length];
    stream.read_exact(&mut body).unwrap();
    match Reply::decode(header.kind, &body, &job::accepted(), Duration::ZERO) {
        Ok((Reply::Refused(refusal), _)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_input_313_a_peer_that_drips_inside_or_before_tls_is_closed_at_the_deadline() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(1, SHORT));
        let mut stream = way.admitted(&job, address);
        stream.set_deadline(LONG);
        let frame = [&header(longest(way).0, longest(way).1)[..], &[0; 16_000]].concat();
        let ended = frame.iter().any(|byte| {
            let mut stale = [0; 1];
            // Whether it was closed shows in the reading; a short wait for that is the pace of the drip.
            stream.set_deadline(Duration::from_millis(20));
            let heard = stream.read_exact(&mut stale);
            stream.set_deadline(LONG);
            matches!(heard, Err(TlsError::Broken { .. })) || stream.write_all(&[*byte]).is_err()
        });
        assert!(ended, "{way:?}");
        // A handshake record that announces 16,384 bytes and never has them.
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        socket.write_all(&[0x16, 3, 1, 0x40, 0]).unwrap();
        let ended = (0..500).any(|_| {
            let gone = socket.write_all(&[1]).is_err();
            gone || !matches!(socket.read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::WouldBlock)
        });
        assert!(ended, "{way:?}");
        assert!(way.is_served(&job, address), "{way:?}: the one thread is free again");
    }
}

#[test]
fn bad_input_315_a_peer_that_proves_nothing_is_told_so_and_gets_nothing() {
    let (job, _server, address) = Way::Keys.served(limits(4, LONG));
    let connect = |way: Way, job: &Job, address: SocketAddr| {
        way.connector(job).connect(Arc::new(TcpStream::connect(address).unwrap()), LONG)
    };
    assert_eq!(connect(Way::Tokens, &job, address).map(drop), Err(TlsError::OtherProof));
    assert!(job.audit.0.lock().unwrap().is_empty());

    let (job, _server, address) = Way::Certificates.served(limits(4, LONG));
    let mut stream = Way::Tokens.admitted(&job, address);
    assert_eq!(stream.read_exact(&mut [0; 1]), Err(TlsError::OtherProof));
    assert!(job.audit.0.lock().unwrap().is_empty());

    let (job, _server, address) = Way::Tokens.served(limits(4, LONG));
    let mut stream = Way::Tokens.admitted(&job, address);
    stream.write_all(&Way::Keys.ask_frame("e", None)).unwrap();
    assert_eq!(refusal_in(&mut stream), Refusal::TokenRequired);
    assert!(job.audit.0.lock().unwrap().is_empty());
}

#[test]
fn bad_input_316_what_belongs_to_another_job_is_refused() {
    let patient = ClientLimits { connect: LONG, authenticate: LONG, exchange: LONG };
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let other = Job::new();
        let proof = match way {
            Way::Keys => ExecutorProof::KeyFile(other.file("executors.pem")),
            Way::Certificates => {
                certificates::executor(&job.folder, certificates::own(&job.folder, "executor-other-ca"))
            }
            Way::Tokens => {
                let token = job.folder.write("other-token", TOKEN.to_uppercase().as_bytes());
                ExecutorProof::Token { token, driver: certificates::peer(&job.folder, "ca", "driver.job.test") }
            }
        };
        let said = job.executor_proving(address.port(), proof, patient).unwrap().ask(None);
        let refused = match way {
            Way::Keys => matches!(said, Err(AskError::DriverUnknown { .. })),
            Way::Certificates => matches!(said, Err(AskError::KeyRefused { .. })),
            Way::Tokens => matches!(said, Ok(Answer::Refused { refusal: Refusal::TokenRefused, .. })),
        };
        assert!(refused, "{way:?}: {said:?}");
        assert!(job.audit.0.lock().unwrap().is_empty(), "{way:?}");
    }
}

#[test]
fn bad_input_318_an_older_version_or_one_that_was_seen_replaces_nothing() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let store = CredentialStore::new();
        let apply = || match way.ask(&job, address.port(), None) {
            Ok(Answer::Bundle { bundle, .. }) => store.apply(bundle, job.clock.moment()),
            other => panic!("{way:?}: {other:?}"),
        };
        job.publish("two", 3600);
        assert_eq!((apply(), apply()), (Applied::Newer, Applied::NotNewer), "{way:?}");
        // The same run with a smaller number, as a replay has it.
        let _ = job.store.publish(Epoch([0; 16]), bundle("fs.s3a.secret.key", "x", 3600, job.clock.moment()));
        job.publish("old", 3600);
        assert_eq!(apply(), Applied::NotNewer, "{way:?}");
        assert_eq!(job::secret_in(&store.newest().unwrap().credentials), "two");
    }
}

#[test]
fn bad_input_319_a_bundle_that_has_expired_by_the_executors_clock_replaces_nothing() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let ahead = ManualClock::at(NOW + 7200);
        let store = CredentialStore::new();
        let _ = store.publish(Epoch([9; 16]), bundle("fs.s3a.secret.key", "live", 7200, ahead.moment()));
        let Ok(Answer::Bundle { bundle, .. }) = way.ask(&job, address.port(), None) else { panic!() };
        assert_eq!(store.apply(bundle, ahead.moment()), Applied::Expired, "{way:?}");
        assert_eq!(job::secret_in(&store.newest().unwrap().credentials), "live");
    }
}

#[test]
fn bad_input_320_a_close_in_the_middle_of_the_handshake_ends_it() {
    for way in WAYS {
        // The deadline is far off: the one thread is free again only if the close itself ends the handshake.
        let (job, _server, address) = way.served(limits(1, FAR_OFF));
        let mut socket = TcpStream::connect(address).unwrap();
        // A close_notify alert (RFC 8446, section 6.1) in plain.
        socket.write_all(&[0x15, 3, 3, 0, 2, 1, 0]).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let ended = socket
            .read_to_end(&mut Vec::new())
            .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
        assert!(ended && way.is_served(&job, address), "{way:?}");
    }
}

/// A client of rustls's own that would resume a session and send early data, if it were let.
fn eager(way: Way, job: &Job, version: &'static rustls::SupportedProtocolVersion) -> Arc<rustls::ClientConfig> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(raw::AnyDriver { raw_keys: way == Way::Keys }));
    let mut config = match way {
        Way::Keys => builder.with_client_cert_resolver(raw::key_of(&job.file("executors.pem"))),
        Way::Certificates => builder.with_client_cert_resolver(raw::certificate("executor")),
        Way::Tokens => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"safe-conduct/1".to_vec()];
    config.enable_early_data = true;
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

#[path = "support/raw.rs"]
mod raw;

#[test]
fn bad_input_317_tls_1_2_is_refused_by_an_alert() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let config = eager(way, &job, &rustls::version::TLS12);
        let mut tls = rustls::ClientConnection::new(config, ServerName::try_from("driver.job.test").unwrap()).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let error = tls.complete_io(&mut socket).unwrap_err();
        let said = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion);
        assert_eq!(said, Some(alert), "{way:?}");
    }
}

#[test]
fn bad_input_322_no_session_is_resumed_and_no_early_data_is_taken() {
    // There is no renegotiation in TLS 1.3 (RFC 8446, section 4.1.2).
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let config = eager(way, &job, &rustls::version::TLS13);
        for round in 0..2 {
            let name = ServerName::try_from("driver.job.test").unwrap();
            let mut tls = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
            assert!(tls.early_data().is_none(), "{way:?}, {round}: there is no ticket to send early data with");
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(LONG)).unwrap();
            let mut stream = rustls::Stream::new(&mut tls, &mut socket);
            stream.write_all(&way.ask_frame("e", None)).unwrap();
            let mut answer = [0; HEADER_LENGTH];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer[..4], *b"SC\x01\x02", "{way:?}");
            assert_eq!(tls.tls13_tickets_received(), 0, "{way:?}, {round}");
            assert_eq!(tls.handshake_kind(), Some(rustls::HandshakeKind::Full), "{way:?}, {round}");
        }
    }
}

#[test]
fn bad_input_321_hellos_in_pieces_of_one_byte_are_understood() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(4, LONG));
        let (port, relay) = raw::relay(address, None);
        assert!(matches!(way.ask(&job, port, None), Ok(Answer::Bundle { .. })), "{way:?}");
        let passed = relay.join().unwrap();
        assert!(passed.iter().all(|bytes| bytes.len() > 300), "{way:?}: {:?}", passed.map(|bytes| bytes.len()));
    }
}

/// The bytes that say nothing: in records' headers `legacy_record_version` (RFC 8446, section 5.1) and the outer type of
/// an encrypted record (section 5.2), whose real type is inside; rustls looks at neither. And the driver's last record,
/// its close behind the answer, which the executor no longer reads.
fn ignored(side: usize, session: &[u8]) -> Vec<usize> {
    let (mut places, mut at, mut last) = (Vec::new(), 0, 0);
    while let Some([kind, _, _, high, low]) = session.get(at..at + 5) {
        places.extend([at + 1, at + 2]);
        places.extend((*kind == 23).then_some(at));
        last = at;
        at += 5 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    if side == 1 {
        places.extend(last..session.len());
    }
    places
}

#[test]
fn bad_input_323_a_flipped_bit_in_any_byte_of_a_session_gets_no_answer_or_changes_nothing() {
    for way in WAYS {
        let (job, _server, address) = way.served(limits(32, SHORT));
        let have = Some(Version { epoch: EPOCH, number: 1 });
        let (port, relay) = raw::relay(address, None);
        assert!(matches!(way.ask(&job, port, have), Ok(Answer::Unchanged { .. })));
        let sessions = relay.join().unwrap();
        let places: Vec<(usize, usize)> =
            (0..2).flat_map(|side| (0..sessions[side].len()).map(move |place| (side, place))).collect();
        let proof = way.executor(&job);
        std::thread::scope(|scope| {
            for part in places.chunks(places.len().div_ceil(4)) {
                let (job, proof) = (&job, &proof);
                scope.spawn(move || {
                    for &(side, place) in part {
                        let (port, relay) = raw::relay(address, Some((side, place)));
                        let answered = ways::ask_with(job, proof.clone(), port, have);
                        // A session is its own measure: signatures have not always the same length.
                        let mut session = relay.join().unwrap()[side].clone();
                        let flipped = session.get_mut(place).map(|byte| *byte ^= 1);
                        let unchanged = matches!(answered, Ok(Answer::Unchanged { .. }));
                        let harmless = flipped.is_none() || ignored(side, &session).contains(&place);
                        let fine = answered.is_err() || unchanged && harmless;
                        assert!(fine, "{way:?}, side {side}, byte {place}: {answered:?}");
                    }
                });
            }
        });
        assert!(way.is_served(&job, address), "{way:?}");
    }
}

#[test]
fn bad_input_325_a_panic_while_a_peer_is_judged_costs_its_connection_and_no_thread() {
    let (job, server, address) = Way::Tokens.served(limits(1, LONG));
    for _ in 0..3 {
        let token = job.folder.write("panic", ways::PANIC.as_bytes());
        let proof = ExecutorProof::Token { token, driver: certificates::peer(&job.folder, "ca", "driver.job.test") };
        let said = job.executor_proving(address.port(), proof, ClientLimits::default()).unwrap().ask(None);
        assert!(matches!(said, Err(AskError::Broken { .. })), "{said:?}");
    }
    assert!(Way::Tokens.is_served(&job, address), "the one thread serves on");
    let asks = server.asks();
    server.stop();
    assert_eq!((asks.read()["failed"], asks.read()["bundle"]), (3, 1));
}
