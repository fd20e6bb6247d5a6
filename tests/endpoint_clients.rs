//! The loopback endpoint as real clients use it: their requests, their retries, and what they see of a driver that is gone.

#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;

use endpoint::{GOOD, listening, seconds, serving};
use job::{Always, Job};
use safe_conduct::credential::s3a;
use safe_conduct::distribute::AskOutcome;

/// Requests as these clients were seen to write them.
#[test]
fn every_client_is_served() {
    let fixture = serving();
    for (client, lines) in [
        (
            "boto3",
            "Accept-Encoding: identity\r\nHost: ADDRESS\r\nUser-Agent: python-urllib3/2.8.0\r\nAccept: application/json\r\nAuthorization: TOKEN",
        ),
        (
            "s3fs",
            "Host: ADDRESS\r\nAuthorization: TOKEN\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: Python/3.11 aiohttp/3.14.5",
        ),
        (
            "AWS CLI",
            "Accept-Encoding: identity\r\nHost: ADDRESS\r\nUser-Agent: aws-cli/1.46.3 Python/3.11\r\nAccept: application/json\r\nAuthorization: TOKEN",
        ),
        ("AWS C++", "accept: */*\r\nauthorization: TOKEN\r\nhost: ADDRESS\r\nuser-agent: aws-sdk-cpp/1.11.900 ua/2.1"),
        ("polars", "authorization: TOKEN\r\naccept: */*\r\nuser-agent: polars/0.55.1\r\nhost: ADDRESS"),
        ("object_store", "authorization: TOKEN\r\naccept: */*\r\nuser-agent: object_store/0.14.2\r\nhost: ADDRESS"),
        ("JS v3 chain", "Authorization: TOKEN\r\nHost: localhost:PORT\r\nConnection: keep-alive"),
        ("JS v3 fromHttp", "authorization: TOKEN\r\nhost: ADDRESS\r\nConnection: keep-alive"),
        (
            "Go v2",
            "Host: ADDRESS\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\nAmz-Sdk-Request: attempt=1; max=3\r\nAuthorization: TOKEN\r\nAccept-Encoding: gzip",
        ),
        ("Rust", "authorization: TOKEN\r\naccept: application/json\r\nhost: ADDRESS"),
        (
            "Java v2, S3A",
            "Accept: text/html, image/gif, image/jpeg, */*; q=0.2\r\nAuthorization: TOKEN\r\nUser-Agent: aws-sdk-java/2.57.8 md/io#sync\r\nHost: ADDRESS\r\nConnection: keep-alive",
        ),
        (
            "Java v1",
            "Authorization: TOKEN\r\nUser-Agent: aws-sdk-java/1.12.262 Linux/6.1\r\nAccept: */*\r\nHost: 127.0.0.1:PORT\r\nConnection: keep-alive",
        ),
        ("by IPv6's name", "Host: [::1]:PORT\r\nAuthorization: \t TOKEN \t\r\nContent-Length: 0"),
    ] {
        let answer = fixture.ask(&format!("GET /v1/credentials HTTP/1.1\r\n{lines}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{client}");
        assert!(!answer.head.contains("Connection: close"), "{client}");
    }
    assert_eq!(
        fixture.ask("GET /v1/credentials?a=REFLECTED HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n").status,
        200
    );
    let old = fixture.ask("GET /v1/credentials HTTP/1.0\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n");
    assert_eq!((old.status, old.head.contains("Connection: close")), (200, true));
}

/// What asks an endpoint of another kind is refused like anybody without the token: Google's and Azure's forms, as
/// google-auth 2.62.2 and azure-identity 1.27.0 were seen to write them.
#[test]
fn clients_of_other_clouds_get_nothing_here() {
    let fixture = serving();
    let google = "Host: ADDRESS\r\nUser-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
                  Connection: keep-alive\r\nmetadata-flavor: Google\r\nx-goog-api-client: auth-request-type/mds";
    let azure = "Host: ADDRESS\r\nUser-Agent: azsdk-python-identity/1.27.0\r\nAccept: */*\r\nX-IDENTITY-HEADER: TOKEN\r\n\
                 Metadata: true";
    for (path, lines) in [
        ("/", google),
        ("/computeMetadata/v1/project/project-id", google),
        ("/computeMetadata/v1/instance/service-accounts/default/?recursive=true", google),
        ("/computeMetadata/v1/instance/service-accounts/default/token?scopes=a%2Fb", google),
        ("/msi/token?api-version=2019-08-01&resource=https://storage.azure.com", azure),
        ("/v1/credentials", azure),
    ] {
        let answer = fixture.ask(&format!("GET {path} HTTP/1.1\r\n{lines}\r\n\r\n"));
        assert_eq!((answer.status, answer.head.contains("Metadata-Flavor")), (403, false), "{path}");
    }
}

/// How often a client asks when it is refused or when there is nothing, and on how many connections. Each was seen to
/// pause between its tries; here none does.
const RETRIES: [(&str, usize, usize); 9] = [
    ("boto3, AWS CLI", 3, 1),
    ("s3fs", 3, 3),
    ("pyarrow", 8, 1),
    ("polars", 4, 2),
    ("JS v3 chain", 5, 2),
    ("Go v2", 3, 1),
    ("Rust", 3, 3),
    ("object_store", 11, 1),
    ("Java v2", 6, 6),
];

#[test]
fn bursts_of_retries_are_all_answered_and_the_next_request_is_served() {
    let no_token = "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n";
    for (client, requests, connections) in RETRIES {
        for (request, status) in [(no_token, 403), (GOOD, 503)] {
            let fixture = listening();
            let mut open: Vec<_> = (0..connections).map(|_| fixture.connect()).collect();
            for number in 0..requests {
                let connection = &mut open[number % connections];
                connection.send(request);
                let answer = connection.answer();
                assert_eq!(answer.status, status, "{client}, {number}");
                assert!(!answer.head.contains("Connection: close"), "{client}: it may go on where it is");
            }
            fixture
                .publish("s3a", &[(s3a::ACCESS_KEY, "a"), (s3a::SECRET_KEY, "b"), (s3a::SESSION_TOKEN, "SESSION-1")]);
            open[0].send(GOOD);
            assert_eq!(open[0].answer().status, 200, "{client}");
        }
    }
}

#[test]
fn all_clients_at_once_with_all_their_retries_are_answered() {
    let fixture = serving();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            for (client, requests, _) in RETRIES {
                let fixture = &fixture;
                scope.spawn(move || {
                    for _ in 0..requests {
                        assert_eq!(fixture.ask(GOOD).status, 200, "{client}");
                    }
                });
            }
        }
    });
}

/// The shortest time that a client gives an answer: JavaScript's and Java's 1 s. What holds here holds whether the driver
/// answers, is not there, or takes connections and is silent, since an answer is made of what is in memory.
#[test]
fn answers_come_from_memory_whether_the_driver_answers_or_is_gone_or_silent() {
    let job = Job::new();
    let server = job.serve();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for (port, outcome) in
        [(server.local_addr().port(), "refused"), (gone, "failed"), (silent.local_addr().unwrap().port(), "failed")]
    {
        let fixture = serving();
        let (tell, told) = channel();
        let notify = Box::new(move |outcome: &AskOutcome| {
            let _ = tell.send(outcome.kind());
        });
        let running = job.executor(port).start(Arc::clone(&fixture.store), Arc::new(Always(0)), notify).unwrap();
        for number in 0..300 {
            let mut client = fixture.connect();
            client.stream.set_read_timeout(Some(seconds(1))).unwrap();
            client.send(GOOD);
            assert_eq!(client.answer().status, 200, "{outcome}, {number}");
        }
        assert_eq!(told.recv_timeout(endpoint::PATIENCE), Ok(outcome));
        drop(running);
        assert_eq!(fixture.ask(GOOD).status, 200, "{outcome}: and after it");
    }
}
