//! Connections from an address of one's choice, and resets: what the standard library's sockets cannot do.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Error;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `struct sockaddr_in` (ip(7)); port and address in network order.
#[repr(C)]
struct SocketAddress {
    family: u16,
    port: [u8; 2],
    address: [u8; 4],
    zero: [u8; 8],
}

impl SocketAddress {
    fn of(address: Ipv4Addr, port: u16) -> Self {
        Self { family: 2, port: port.to_be_bytes(), address: address.octets(), zero: [0; 8] }
    }
}

unsafe extern "C" {
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn bind(socket: i32, address: *const SocketAddress, length: u32) -> i32;
    fn connect(socket: i32, address: *const SocketAddress, length: u32) -> i32;
    fn setsockopt(socket: i32, level: i32, name: i32, value: *const [i32; 2], length: u32) -> i32;
}

/// AF_INET, SOCK_STREAM with SOCK_CLOEXEC, SOL_SOCKET and SO_LINGER of Linux.
const INET: i32 = 2;
const STREAM: i32 = 1 | 0o2000000;
const SOCKET_LEVEL: i32 = 1;
const LINGER: i32 = 13;

/// A connection to `to` whose other end sees it come from `from`.
pub fn connect_from(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream, Error> {
    let SocketAddr::V4(to) = to else { panic!("{to} is not IPv4") };
    let checked = |result: i32| if result < 0 { Err(Error::last_os_error()) } else { Ok(result) };
    let (own, other) = (SocketAddress::of(from, 0), SocketAddress::of(*SocketAddrV4::ip(&to), to.port()));
    // SAFETY: the descriptor is new and nobody else's; both addresses have 16 bytes and outlive the calls.
    unsafe {
        let stream = TcpStream::from(OwnedFd::from_raw_fd(checked(socket(INET, STREAM, 0))?));
        checked(bind(stream.as_raw_fd(), &own, 16))?;
        checked(connect(stream.as_raw_fd(), &other, 16))?;
        Ok(stream)
    }
}

/// Ends a connection with a reset: it lingers for no time (socket(7)).
pub fn reset(stream: TcpStream) {
    // SAFETY: `struct linger` is two ints, and outlives the call.
    let result = unsafe { setsockopt(stream.as_raw_fd(), SOCKET_LEVEL, LINGER, &[1, 0], 8) };
    assert_eq!(result, 0);
}
