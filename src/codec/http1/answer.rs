//! An HTTP answer as bytes: status, what the body is, the body.

use crate::secret::{BufferFull, WipedBuffer};

/// The statuses that we answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 200.
    Ok,
    /// 400: the head breaks a rule of this file.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed {
        /// The methods that are known (RFC 9110, section 15.5.6: 405 has Allow).
        allow: &'static str,
    },
    /// 503.
    ServiceUnavailable,
}

impl Status {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::ServiceUnavailable => 503,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::BadRequest => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed { .. } => "Method Not Allowed",
            Self::ServiceUnavailable => "Service Unavailable",
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// JSON.
    Json,
    /// Plain text.
    Text,
    /// Prometheus' text format.
    Metrics,
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// An answer before it is written.
pub struct Answer {
    /// The status.
    pub status: Status,
    /// What the body is.
    pub content: Content,
    /// The body.
    pub body: WipedBuffer,
    /// RFC 9110, section 9.3.2: what GET would give, without the body.
    pub to_head: bool,
}

impl Answer {
    /// An answer to another method than HEAD.
    #[must_use]
    pub fn new(status: Status, content: Content, body: WipedBuffer) -> Self {
        Self { status, content, body, to_head: false }
    }
}

/// A whole answer, head and body in one piece: two writes would wait for each other (Nagle's algorithm against
/// delayed acknowledgements) some 40 ms.
///
/// # Errors
/// [`BufferFull`] cannot happen: the buffer is made to measure.
pub fn write_answer(answer: &Answer, close: bool) -> Result<WipedBuffer, BufferFull> {
    let Answer { status, content, body, to_head } = answer;
    let allow = match status {
        Status::MethodNotAllowed { allow } => format!("Allow: {allow}\r\n"),
        Status::Ok | Status::BadRequest | Status::Forbidden | Status::NotFound | Status::ServiceUnavailable => {
            String::new()
        }
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\n{allow}Content-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{}\r\n",
        status.code(),
        status.reason(),
        content.media_type(),
        body.as_slice().len(),
        if close { "Connection: close\r\n" } else { "" },
    );
    let sent = if *to_head { &[] } else { body.as_slice() };
    let mut answer = WipedBuffer::with_capacity(head.len().saturating_add(sent.len()));
    answer.push(head.as_bytes())?;
    answer.push(sent)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_piece_with_head_and_body() {
        let body = || WipedBuffer::copy_of(b"{}");
        let answer = Answer::new(Status::MethodNotAllowed { allow: "GET" }, Content::Json, body());
        let answer = write_answer(&answer, true).unwrap();
        let expected = "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Type: application/json\r\n\
                        Content-Length: 2\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
                        Connection: close\r\n\r\n{}";
        assert_eq!(std::str::from_utf8(answer.as_slice()).unwrap(), expected);

        // RFC 9110, section 8.6: Content-Length is that of the answer to GET.
        let answer = Answer { to_head: true, ..Answer::new(Status::Ok, Content::Metrics, body()) };
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
                        Content-Length: 2\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n";
        let answer = write_answer(&answer, false).unwrap();
        assert_eq!(std::str::from_utf8(answer.as_slice()).unwrap(), expected);
    }
}
