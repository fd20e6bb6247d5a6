//! The three ways in which driver and executors prove themselves, each ready for use.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::audit::ExecutorIdentity;
use safe_conduct::distribute::message::Ask;
use safe_conduct::distribute::{
    Answer, AskError, ClientLimits, DriverProof, ExecutorProof, PeerRefusal, PeerVerifier, RunningServer, ServerLimits,
};
use safe_conduct::name::{ExecutorName, PodName, Subject};
use safe_conduct::secret::Secret;
use safe_conduct::store::Version;
use safe_conduct::sys::job_keys::JobKeys;
use safe_conduct::sys::tls::{Authorities, Connector, OwnCertificate, Purpose, TlsStream};
use safe_conduct::time::Moment;

use crate::certificates;
use crate::job::Job;

/// Long enough for an honest peer on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// A deadline that no test lives to see.
pub const FAR_OFF: Duration = Duration::from_secs(3600);

/// Short enough to wait for, long enough for an honest handshake in a debug build.
pub const SHORT: Duration = Duration::from_millis(600);

/// The one token that is taken. What is tested with it are frames, not the rules of tokens.
pub const TOKEN: &str = "aa.bb.cc";

/// A token that makes its judge panic.
pub const PANIC: &str = "pp.pp.pp";

/// How the two sides prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Keys,
    Certificates,
    Tokens,
}

pub const WAYS: [Way; 3] = [Way::Keys, Way::Certificates, Way::Tokens];

#[derive(Debug)]
struct OneToken;

impl PeerVerifier for OneToken {
    fn verify(&self, token: Secret, _: Moment) -> Result<ExecutorIdentity, PeerRefusal> {
        assert!(!token.matches(PANIC.as_bytes()), "as the test wants it");
        if token.matches(TOKEN.as_bytes()) {
            Ok(ExecutorIdentity { subject: Subject::new("subject").unwrap(), pod: PodName::new("pod").unwrap() })
        } else {
            Err(PeerRefusal::Refused { code: "TEST", what: "another token".to_owned() })
        }
    }
}

impl Way {
    pub fn driver(self, job: &Job) -> DriverProof {
        match self {
            Self::Keys => DriverProof::KeyFile(job.file("driver.pem")),
            Self::Certificates => certificates::driver(&job.folder),
            Self::Tokens => DriverProof::ExecutorTokens {
                own: certificates::own(&job.folder, "driver"),
                verifier: Arc::new(OneToken),
            },
        }
    }

    pub fn executor(self, job: &Job) -> ExecutorProof {
        match self {
            Self::Keys => ExecutorProof::KeyFile(job.file("executors.pem")),
            Self::Certificates => certificates::executor(&job.folder, certificates::own(&job.folder, "executor")),
            Self::Tokens => ExecutorProof::Token {
                token: job.folder.write("token", TOKEN.as_bytes()),
                driver: certificates::peer(&job.folder, "ca", "driver.job.test"),
            },
        }
    }

    /// A driver with a credential of an hour.
    pub fn served(self, limits: ServerLimits) -> (Job, RunningServer, SocketAddr) {
        let job = Job::new();
        job.publish("value", 3600);
        let server = job.serve_proving(self.driver(&job), limits).unwrap();
        let address = server.local_addr();
        (job, server, address)
    }

    /// An honest executor's ask, with all the time that it wants.
    pub fn ask(self, job: &Job, port: u16, have: Option<Version>) -> Result<Answer, AskError> {
        ask_with(job, self.executor(job), port, have)
    }

    pub fn is_served(self, job: &Job, address: SocketAddr) -> bool {
        matches!(self.ask(job, address.port(), None), Ok(Answer::Bundle { .. }))
    }

    pub fn connector(self, job: &Job) -> Connector {
        let authorities = || {
            let name = certificates::peer(&job.folder, "ca", "driver.job.test").name;
            Authorities::from_pem(&certificates::text("ca.pem"), name).unwrap()
        };
        match self {
            Self::Keys => JobKeys::from_pem(&std::fs::read(job.file("executors.pem")).unwrap()).unwrap().connector(),
            Self::Certificates => {
                let (certificate, key) = (certificates::text("executor.pem"), certificates::text("executor.key"));
                let own = OwnCertificate::from_pem(&certificate, &key, Purpose::Executor).unwrap();
                own.mutual_connector(authorities()).unwrap()
            }
            Self::Tokens => authorities().connector().unwrap(),
        }
    }

    /// A peer whose handshake is over, and which then says what it likes.
    pub fn admitted(self, job: &Job, address: SocketAddr) -> TlsStream {
        let mut stream = self.connector(job).connect(Arc::new(TcpStream::connect(address).unwrap()), LONG).unwrap();
        stream.set_deadline(LONG);
        stream
    }

    /// An ask as this way's executors send it.
    pub fn ask_frame(self, name: &str, have: Option<Version>) -> Vec<u8> {
        let ask = Ask { executor: ExecutorName::new(name).unwrap(), have };
        let frame = match self {
            Self::Keys | Self::Certificates => ask.encode(),
            Self::Tokens => ask.encode_with_token(&Secret::from_text(TOKEN)),
        };
        frame.unwrap().as_slice().to_vec()
    }
}

/// The same with a proof that exists already.
pub fn ask_with(job: &Job, proof: ExecutorProof, port: u16, have: Option<Version>) -> Result<Answer, AskError> {
    let limits = ClientLimits { connect: LONG, authenticate: LONG, exchange: LONG };
    job.executor_proving(port, proof, limits).unwrap().ask(have)
}
