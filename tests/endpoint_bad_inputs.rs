//! Bad inputs 284 to 299, 304, 307 and 308 on the loopback endpoint, by their numbers: each refused in one way.

#[path = "support/endpoint.rs"]
mod endpoint;

use std::collections::BTreeSet;

use endpoint::{Answer, GOOD, TOKEN, serving};
use safe_conduct::codec::http1::{Http1Error, parse_head};

/// Number, status and request: the numbers are those of the list of bad inputs.
fn rows() -> Vec<(u16, u16, String)> {
    let header =
        |line: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n{line}\r\n\r\n");
    let token =
        |token: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: {token}\r\n\r\n");
    let host = |host: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\nAuthorization: TOKEN\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n");
    let path = |path: &str| line(&format!("GET {path} HTTP/1.1"));
    let other = format!("0{}", &TOKEN[1..]);

    let mut rows = vec![(284, 403, "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned())];
    // 285: of the same length, one digit less, one more, a prefix form, nothing.
    rows.extend(
        [&other, &TOKEN[1..], &TOKEN[..63], "TOKEN0", "Bearer TOKEN", ""].map(|wrong| (285, 403, token(wrong))),
    );
    rows.push((286, 403, "GET /v1/credentials?token=TOKEN HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned()));
    rows.push((287, 400, "GET /v1/credentials HTTP/1.1\r\nAuthorization: TOKEN\r\n\r\n".to_owned()));
    rows.push((287, 403, "GET /v1/credentials HTTP/1.0\r\nAuthorization: TOKEN\r\n\r\n".to_owned()));
    rows.push((287, 400, header("Host: ADDRESS")));
    rows.extend(
        [
            "evil.com",
            "evil.com:PORT",
            "127.0.0.1.evil.com:PORT",
            "2130706433:PORT",
            "127.0.0.1:1",
            "127.0.0.1",
            "127.1:PORT",
        ]
        .map(|wrong| (287, 403, host(wrong))),
    );
    rows.push((288, 403, header("Origin: http://ADDRESS")));
    rows.push((289, 403, header("Sec-Fetch-Site: cross-site")));
    rows.push((290, 403, header("referer: http://ADDRESS/")));
    rows.extend(
        ["X-Forwarded-For: 10.0.0.1", "X-FORWARDED-HOST: x", "Forwarded: for=10.0.0.1", "Via: 1.1 proxy"]
            .map(|sent| (291, 403, header(sent))),
    );
    let preflight = "OPTIONS /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nOrigin: http://evil.com\r\n";
    rows.push((292, 405, format!("{preflight}Access-Control-Request-Method: GET\r\n\r\n")));
    rows.push((292, 405, format!("{preflight}Access-Control-Request-Private-Network: true\r\n\r\n")));
    rows.push((292, 403, header("Access-Control-Request-Headers: authorization")));
    rows.extend(
        ["POST", "PUT", "DELETE", "TRACE", "HEAD", "CONNECT", "get", "Get"]
            .map(|method| (293, 405, line(&format!("{method} /v1/credentials HTTP/1.1")))),
    );
    rows.push((293, 400, "M".repeat(3000)));
    rows.push((293, 400, "M".repeat(1024 * 1024)));
    rows.push((293, 405, line("CONNECT /v1/credentials HTTP/1.1")));
    rows.push((294, 400, path("http://ADDRESS/v1/credentials")));
    rows.push((294, 400, line("CONNECT ADDRESS HTTP/1.1")));
    rows.push((294, 400, line("OPTIONS * HTTP/1.1")));
    rows.extend(
        [
            "/",
            "/v1/credentials/",
            "/v1/../v1/credentials",
            "//v1/credentials",
            "/v1/%63redentials",
            "/V1/credentials",
            "/REFLECTED%0d%0aA:b",
        ]
        .map(|wrong| (295, 403, path(wrong))),
    );
    rows.push((295, 400, path("/v1/credentials\0")));
    rows.push((295, 400, path(&format!("/{}", "a".repeat(8192)))));
    rows.push((296, 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()));
    rows.push((296, 400, "GET /v1/credentials\r\n\r\n".to_owned()));
    rows.extend(["HTTP/1.2", "HTTP/0.9", "HTCPCP/1.0"].map(|v| (296, 400, line(&format!("GET /v1/credentials {v}")))));
    rows.extend(
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding : chunked",
            "Content-Length: +5",
            "Content-Length: 5,5",
            "Content-Length: 4\r\n\r\nbody",
        ]
        .map(|sent| (297, 400, header(sent))),
    );
    rows.extend(
        [" folded: x", "A: b\nC: d", "A: b\rC: d", "A : b", ": b", "A: b\0"].map(|sent| (298, 400, header(sent))),
    );
    rows.push((299, 400, header(&format!("A: {}", "a".repeat(9 * 1024)))));
    rows.push((299, 400, header(&vec!["A: b"; 200].join("\r\n"))));
    rows.push((299, 400, header(&format!("A: {}", "a".repeat(1024 * 1024)))));
    // 304: a line end of its own would show in the answer as a header.
    rows.push((304, 403, path("/REFLECTED%0d%0aSet-Cookie:%20a")));
    rows.push((304, 400, path("/REFLECTED\r\nSet-Cookie: a\r\n")));
    rows.push((304, 403, host("REFLECTED%0d%0aSet-Cookie: a")));
    rows.push((304, 405, line("REFLECTED /v1/credentials HTTP/1.1")));
    rows.push((304, 403, token("REFLECTED%0d%0aSet-Cookie: a")));
    rows.push((308, 400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()));
    rows
}

#[test]
fn bad_inputs_284_to_299_304_and_308_are_refused() {
    let fixture = serving();
    let rows = rows();
    let numbers: BTreeSet<u16> = rows.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (284..=299).chain([304, 308]).collect());
    let refusals: Vec<Answer> = rows
        .iter()
        .map(|(number, status, request)| {
            let answer = fixture.ask(request);
            let shown = &request[..request.len().min(300)];
            assert_eq!(answer.status, *status, "{number}: {shown:?}");
            let ends = matches!(status, 400 | 405) || request.contains("HTTP/1.0");
            assert_eq!(answer.head.contains("Connection: close"), ends, "{number}: {shown:?}");
            assert_eq!(answer.head.contains("\r\nAllow: GET"), *status == 405);
            assert!(!answer.head.contains("Cookie"), "{number}: {shown:?}");
            answer
        })
        .collect();
    assert!(refusals.iter().all(|answer| !answer.body.contains("SESSION")), "nothing is served");
    let mut denied = refusals.iter().filter(|answer| answer.status == 403).map(|answer| &answer.body);
    let first = denied.next().unwrap();
    assert!(first.starts_with(r#"{"Code":"ACCESS_DENIED","Message":"#), "{first}");
    assert!(denied.all(|body| body == first), "every 403 looks the same");
    assert_eq!(fixture.ask(GOOD).status, 200, "and who is honest is served");
    let counted = fixture.endpoint.requests().read();
    let of = |status| rows.iter().filter(|(_, wanted, _)| *wanted == status).count() as u64;
    assert_eq!(counted, [(200, 1), (400, of(400)), (403, of(403)), (404, 0), (405, of(405)), (503, 0)].into());
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[test]
fn bad_input_297_no_byte_in_or_around_a_coding_or_a_length_makes_two_requests_of_one() {
    // Every byte, five places, two names: over 2,500 ways to write a header that one reader takes for a body's and
    // another does not.
    for (name, value) in [("Transfer-Encoding", "chunked"), ("Content-Length", "5")] {
        let (front, back) = name.split_at(name.find('-').unwrap());
        for (place, [before, behind]) in [
            ["", &format!("{name}: {value}")],
            [front, &format!("{back}: {value}")],
            [name, &format!(": {value}")],
            [&format!("{name}:"), value],
            [&format!("{name}: {value}"), ""],
        ]
        .into_iter()
        .enumerate()
        {
            for byte in 0..=u8::MAX {
                let start = b"GET /v1/credentials HTTP/1.1\r\nHost: x\r\n";
                let end = b"\r\n\r\n0\r\n\r\nGET /second HTTP/1.1\r\n\r\n";
                let request = [start, before.as_bytes(), &[byte], behind.as_bytes(), end].concat();
                // What may stand in a name makes another name of it, and a colon in its middle a shorter one.
                let another_name = place < 3 && is_token_byte(byte) || place == 1 && byte == b':';
                let read = parse_head(&request);
                assert_eq!(matches!(read, Ok(Some(_))), another_name, "{name}, place {place}, byte {byte:#x}");
                if let Ok(Some(head)) = read {
                    assert!(head.header(name).is_none(), "{name}, place {place}, byte {byte:#x}");
                }
            }
        }
    }
}

/// The kinds of requests that llhttp's own tests go through (its files under `test/request`), with requests of ours: it
/// takes more of them than we do, and nothing that it refuses is taken here.
#[test]
fn bad_input_307_what_a_lenient_parser_may_take_has_one_verdict_here() {
    use Http1Error::{
        BareLineFeed, ContentLength, ControlCharacter, FoldedHeader, HeaderName, HostCount, RequestLine, Target,
        TransferEncoding, Version,
    };
    let line = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    let header = |header: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
    for (kind, request, verdict) in [
        ("sample", line("GET /a?b=c&d HTTP/1.1"), None),
        ("sample", line("GET /a#b HTTP/1.1"), Some(Target)),
        ("sample", "GET / HTTP/1.1\r\n\r\n".to_owned(), Some(HostCount { count: 0 })),
        ("sample", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), Some(RequestLine)),
        ("sample", "GET /\r\n\r\n".to_owned(), Some(RequestLine)),
        ("sample", header("Line: a\r\n folded"), Some(FoldedHeader)),
        ("sample", "GET / HTTP/1.1\nHost: x\n\n".to_owned(), Some(BareLineFeed)),
        ("sample", header("A: \u{e9}\u{fc}"), None),
        ("sample", header("Empty:"), None),
        ("method", line("REPORT /a HTTP/1.1"), None),
        ("method", line("M-SEARCH * HTTP/1.1"), Some(Target)),
        ("method", line("CONNECT x:443 HTTP/1.0"), Some(Target)),
        ("method", line("QUERY /a HTTP/1.1"), None),
        ("method", line("PRI * HTTP/1.1"), Some(Target)),
        ("method", line("G\u{e9}T / HTTP/1.1"), Some(RequestLine)),
        ("uri", line("GET http://x/ HTTP/1.1"), Some(Target)),
        ("uri", line("GET /a|b HTTP/1.1"), Some(Target)),
        ("uri", line("GET /\u{3b4} HTTP/1.1"), Some(Target)),
        ("uri", line("GET /a\u{c}b HTTP/1.1"), Some(ControlCharacter)),
        ("uri", line("GET /%41?%3f HTTP/1.1"), None),
        ("connection", header("Connection: keep-alive, upgrade\r\nUpgrade: websocket"), None),
        ("connection", header("Connection: close"), None),
        ("connection", header("Connection: a\r\n\tb"), Some(FoldedHeader)),
        ("content-length", header("Content-Length: 0"), None),
        ("content-length", header("Content-Length: 1"), Some(ContentLength)),
        ("content-length", header("Content-Length: 4 2"), Some(ContentLength)),
        ("content-length", header("Content-Length: 18446744073709551616"), Some(ContentLength)),
        ("content-length", header("Content-Length: 0\r\nContent-Length: 0"), Some(ContentLength)),
        ("content-length", header("Content-Length : 0"), Some(HeaderName)),
        ("transfer-encoding", header("Transfer-Encoding: chunked"), Some(TransferEncoding)),
        ("transfer-encoding", header("Transfer-Encoding: identity"), Some(TransferEncoding)),
        ("transfer-encoding", header("Transfer-Encoding: chunked, deflate"), Some(TransferEncoding)),
        ("transfer-encoding", header("Transfer-Encoding: pigeons"), Some(TransferEncoding)),
        ("transfer-encoding", header("Content-Length: 1\r\nTransfer-Encoding: chunked"), Some(TransferEncoding)),
        ("invalid", line("GET / ICE/1.0"), Some(Version)),
        ("invalid", line("GET / RTSP/1.0"), Some(Version)),
        ("invalid", line("GET / IHTTP/1.0"), Some(Version)),
        ("invalid", line("GET / HTTP/01.1"), Some(Version)),
        ("invalid", line("GET / HTTP/1.10"), Some(Version)),
        ("invalid", line("GET / HTTP/9.1"), Some(Version)),
        ("invalid", header("A: 1\rB: 2"), Some(ControlCharacter)),
        ("invalid", header("A: 1\nB: 2"), Some(BareLineFeed)),
        ("invalid", header("A B: 1"), Some(HeaderName)),
        ("invalid", header("A"), Some(HeaderName)),
        ("invalid", header("\u{1}A: b"), Some(ControlCharacter)),
        ("invalid", header("A: b\u{7f}"), Some(ControlCharacter)),
        ("lenient", header(" A: b"), Some(FoldedHeader)),
        ("lenient", header("A: b\u{b}c"), Some(ControlCharacter)),
    ] {
        assert_eq!(parse_head(request.as_bytes()).err(), verdict, "{kind}: {request:?}");
    }
}
