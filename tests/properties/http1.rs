//! What holds for every request head: whole or not at all, refused for good, and printed back as the same head.

use safe_conduct::codec::http1::{Answer, Content, MAX_HEAD, MAX_HEADERS, Status, parse_head, write_answer};
use safe_conduct::secret::WipedBuffer;

/// Checks the properties for one input.
pub fn check(data: &[u8]) {
    match parse_head(data) {
        Ok(None) => assert!(data.len() < MAX_HEAD, "a head that is too long is not waited for"),
        Err(error) => {
            let longer = [data, b"\r\n\r\n"].concat();
            assert_eq!(parse_head(&longer).err(), Some(error), "what is refused stays refused");
        }
        Ok(Some(head)) => {
            let length = head.length();
            assert!(length <= MAX_HEAD && length <= data.len());
            assert!(data[..length].ends_with(b"\r\n\r\n"));
            assert!(
                matches!(parse_head(&data[..length - 1]), Ok(None)),
                "a head without its last byte is not all there"
            );
            assert!(head.header_names().count() <= MAX_HEADERS);

            let mut printed = format!("{} {} HTTP/1.1\r\nHost: x\r\n", head.method(), head.path()).into_bytes();
            for name in head.header_names().filter(|name| !name.eq_ignore_ascii_case("host")) {
                let value = head.header(name).expect("it has that name");
                assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                printed.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            printed.extend(b"\r\n");
            if printed.len() <= MAX_HEAD && head.header_names().count() < MAX_HEADERS {
                let again = parse_head(&printed).ok().flatten();
                let again = again.map(|again| (again.method().to_owned(), again.path().to_owned()));
                assert_eq!(again, Some((head.method().to_owned(), head.path().to_owned())));
            }
        }
    }
    let answer = Answer::new(Status::Ok, Content::Json, WipedBuffer::copy_of(data));
    let answer = write_answer(&answer, false).expect("it is made to measure");
    let announced = format!("Content-Length: {}\r\n", data.len());
    assert!(answer.as_slice().ends_with(data) && answer.as_slice().len() <= data.len() + 200);
    assert!(answer.as_slice().windows(announced.len()).any(|window| window == announced.as_bytes()));
}
