//! The demo's link that can be cut: it passes bytes on to a port, and closes everything while it is cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A link that can be cut.
pub struct Proxy {
    /// The port to connect to instead.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Begins to pass connections on to this port.
    pub fn start(target: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !seen.cut.load(Ordering::Relaxed) {
                    drop(pass_on(stream, target, &seen)); // A connection that fails is simply closed.
                }
            }
        });
        Ok(Proxy { port, shared })
    }

    /// Cuts the link, or restores it.
    pub fn set_cut(&self, cut: bool) {
        if self.shared.cut.swap(cut, Ordering::Relaxed) != cut && cut {
            let mut open = self.shared.open.lock().expect("no thread panics with it");
            for stream in open.drain(..) {
                drop(stream.shutdown(Shutdown::Both)); // It may be closed already.
            }
        }
    }
}

fn pass_on(stream: TcpStream, target: u16, shared: &Shared) -> io::Result<()> {
    let upstream = TcpStream::connect(("127.0.0.1", target))?;
    let mut open = shared.open.lock().expect("no thread panics with it");
    open.push(stream.try_clone()?);
    open.push(upstream.try_clone()?);
    let (back_from, back_to) = (upstream.try_clone()?, stream.try_clone()?);
    std::thread::spawn(move || copy(stream, upstream));
    std::thread::spawn(move || copy(back_from, back_to));
    Ok(())
}

/// Passes bytes on in one direction until either side ends.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for side in [from, to] {
        drop(side.shutdown(Shutdown::Both)); // The other direction may have done it.
    }
}
