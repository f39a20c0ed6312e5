//! Someone on the wire: passes one connection on, and does one harm to it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::peer::PATIENCE;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    Server,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Both directions end, without farewell.
    Cut,
    /// One bit is turned.
    Flip,
}

/// Passes one connection on to `server`; what flows `towards` one side comes to `harm` at its byte `at`, counted from
/// 0. The address to call instead of `server`.
pub(crate) fn relay(server: SocketAddr, towards: Towards, at: usize, harm: Harm) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = TcpStream::connect(server).unwrap();
        for socket in [&client, &server] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.set_nodelay(true).unwrap();
        }
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let up = (towards == Towards::Server).then_some((at, harm));
        let down = (towards == Towards::Client).then_some((at, harm));
        std::thread::spawn(move || pass_on(from, to, up));
        pass_on(server, client, down);
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, harm: Option<(usize, Harm)>) {
    let (mut passed, mut buffer) = (0, vec![0; 1 << 14]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut cut = length;
        if let Some((at, harm)) = harm
            && (passed..passed + length).contains(&at)
        {
            match harm {
                Harm::Flip => buffer[at - passed] ^= 1,
                Harm::Cut => cut = at - passed,
            }
        }
        if to.write_all(&buffer[..cut]).is_err() {
            break;
        }
        if cut < length {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        passed += length;
    }
    // The other direction may still have something to say.
    let _ = to.shutdown(Shutdown::Write);
}
