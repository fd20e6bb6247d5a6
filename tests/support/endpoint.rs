//! The loopback endpoint on a real socket, with a clock and a store of the test's own, and a client that says anything.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::name::{CredentialName, PropertyName, Scheme};
use safe_conduct::sink::{EndpointSettings, LoopbackEndpoint, RunningEndpoint};
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::time::{Clock, Moment, Timestamp};

/// Made up for this test.
pub const TOKEN: &str = "4f0d6a1bc2e3958877665544332211000112233445566778899aabbccddeeff0";

/// 2026-11-22T20:10:59Z (`date -u -d @1795378259`).
pub const EXPIRES_AT: u64 = 1_795_378_259;

/// As long as any wait here may take before the test fails; nothing waits that long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct ManualClock {
    state: Mutex<(Moment, u64)>,
    looked: Condvar,
}

impl ManualClock {
    pub fn advance(&self, wall: Duration, monotonic: Duration) {
        let now = &mut self.state.lock().unwrap().0;
        *now = Moment { wall: now.wall.plus(wall), monotonic: now.monotonic + monotonic };
    }

    /// Waits until the endpoint has looked at the clock so many times.
    pub fn wait_for_looks(&self, count: u64) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.looked.wait_timeout_while(state, PATIENCE, |(_, looks)| *looks < count).unwrap();
        assert!(state.1 >= count);
    }
}

impl Clock for ManualClock {
    fn moment(&self) -> Moment {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.looked.notify_all();
        state.0
    }
}

pub struct Fixture {
    pub endpoint: RunningEndpoint,
    pub store: Arc<CredentialStore>,
    pub clock: Arc<ManualClock>,
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn settings(listen: &str) -> EndpointSettings {
    EndpointSettings { listen: listen.parse().unwrap(), scheme: Scheme::new("s3a").unwrap() }
}

/// An endpoint that listens, with an empty store. The time is an hour before `EXPIRES_AT`.
pub fn listening() -> Fixture {
    let wall = Timestamp::from_unix_seconds(EXPIRES_AT - 3600).unwrap();
    let clock = Arc::new(ManualClock {
        state: Mutex::new((Moment { wall, monotonic: seconds(50) }, 0)),
        looked: Condvar::new(),
    });
    let store = Arc::new(CredentialStore::new());
    let token = Arc::new(Secret::from_text(TOKEN));
    let endpoint = LoopbackEndpoint::start(settings("127.0.0.1:0"), token, Arc::clone(&store), clock.clone());
    Fixture { endpoint: endpoint.unwrap(), store, clock }
}

/// The same with a credential of an hour.
pub fn serving() -> Fixture {
    let fixture = listening();
    fixture
        .publish("s3a", &[(s3a::ACCESS_KEY, "ID-1"), (s3a::SECRET_KEY, "KEY/1+\""), (s3a::SESSION_TOKEN, "SESSION-1")]);
    fixture
}

impl Fixture {
    pub fn publish(&self, scheme: &str, properties: &[(&str, &str)]) {
        let named = |(name, value): &(&str, &str)| (PropertyName::new(name).unwrap(), Secret::from_text(value));
        let properties: BTreeMap<_, _> = properties.iter().map(named).collect();
        let expires_at = Timestamp::from_unix_seconds(EXPIRES_AT).unwrap();
        let credential = ServiceCredential::new(properties, expires_at, self.clock.moment()).unwrap();
        let bundle = UserCredentials::new().with(Scheme::new(scheme).unwrap(), Arc::new(credential));
        self.store.publish(Epoch([7; 16]), bundle);
    }

    /// Publishes a whole credential for each (name, access key id, seconds that it lives).
    pub fn publish_named(&self, credentials: &[(&str, &str, u64)]) {
        let at = self.clock.moment();
        let bundle = credentials.iter().fold(UserCredentials::new(), |bundle, (name, id, life)| {
            let properties = [(s3a::ACCESS_KEY, *id), (s3a::SECRET_KEY, "KEY"), (s3a::SESSION_TOKEN, "SESSION")]
                .map(|(name, value)| (PropertyName::new(name).unwrap(), Secret::from_text(value)));
            let credential = ServiceCredential::new(properties.into(), at.wall.plus(seconds(*life)), at).unwrap();
            bundle.with(CredentialName::parse(name).unwrap(), Arc::new(credential))
        });
        self.store.publish(Epoch([7; 16]), bundle);
    }

    /// Status and body for a path, asked for as an SDK does.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n"));
        (answer.status, answer.body)
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.endpoint.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, address: self.endpoint.local_addr() }
    }

    /// The status and body of the answer to one request on a connection of its own.
    pub fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }
}

pub struct Client {
    pub stream: TcpStream,
    pub address: SocketAddr,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Client {
    /// Sends a request, with `ADDRESS`, `PORT` and `TOKEN` put in.
    pub fn send(&mut self, request: &str) {
        let request = request.replace("ADDRESS", &self.address.to_string()).replace("TOKEN", TOKEN);
        let request = request.replace("PORT", &self.address.port().to_string());
        // Who is refused early may be closed before all is sent.
        let _ = self.stream.write_all(request.as_bytes());
    }

    /// One read: an answer is one write, so it arrives whole.
    pub fn answer(&mut self) -> Answer {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.stream.read(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..count]).unwrap();
        assert!(!text.contains(TOKEN), "the token is never part of an answer");
        assert!(!text.contains("REFLECTED"), "nothing of a request is part of an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("one read has the whole head");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "one read has the whole body: {text}");
        assert!(head.contains("\r\nCache-Control: no-store") && head.contains("\r\nX-Content-Type-Options: nosniff"));
        assert!(head.contains("\r\nContent-Type: application/json") && !head.contains("Access-Control"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

pub const GOOD: &str = "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n";
