//! Readiness of sockets, and short writes to several of them, through io_uring: a turn of the loop enters the kernel once to
//! write and once to wait, and can wait until a number of sockets are ready or a short time has passed.
//!
//! Sockets are watched by multishot polls, which tell of changes only, as an edge-triggered epoll does. Reading stays a call of
//! its own for each socket, and so do long writes. Needs Linux 6.1; gathering needs 6.12. Source of facts: io_uring_enter(2), io_uring_setup(2),
//! io_uring_prep_poll_multishot(3), io_uring_prep_cancel(3).
//!
//! Invariant for what is unsafe here: memory that a request points to stays as it is until the request has completed. Polls
//! point to none; [`Ring::send_together`] does not return before each of its requests has completed.

use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// How many requests are handed over at once.
const SUBMIT_MAX: u32 = 1024;

/// How many completions the kernel keeps without taking the slow path.
const COMPLETIONS: u32 = 8192;

/// As many changes are taken with one wait at most, about; and where so many came with one call there may be more.
const CHANGES_MAX: usize = 1024;
const CHANGES_AT_ONCE: usize = 16;

/// So many sends are under way together at most.
pub const SENDS_MAX: usize = 32;

/// What a socket is watched for.
const INTEREST: u32 = (libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32;

/// Flag of io_uring_enter (Linux 6.15): a wait is idleness, not a wait for a disk.
const ENTER_NO_IOWAIT: u32 = 1 << 7;
const ENTER_GETEVENTS: u32 = 1 << 0;
const ENTER_EXT_ARG: u32 = 1 << 3;

/// Tags of `user_data`: what a completion is about. Below: a generation (24 bits) and a token (32 bits), or an index.
const POLL: u64 = 1 << 56;
const SEND: u64 = 2 << 56;
const CANCEL: u64 = 3 << 56;
const TAG: u64 = 0xff << 56;
const GENERATION_MAX: u32 = (1 << 24) - 1;

/// What a wait gathers: so many changes, if they come within `span`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// How many.
    pub count: u32,
    /// How long that is worth waiting for.
    pub span: Duration,
}

/// A change on a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Under which token it is watched.
    pub token: usize,
    /// Bits of `EPOLLIN` and the like.
    pub bits: u32,
}

/// A socket that is watched.
#[derive(Clone, Copy, Default)]
struct Watched {
    fd: RawFd,
    /// Tells it from an earlier one with the same token.
    generation: u32,
    live: bool,
}

/// The queues that are shared with the kernel, and what is watched.
pub struct Ring {
    queues: IoUring,
    /// By token.
    watched: Vec<Watched>,
    changes: Vec<Change>,
    /// Tokens whose polls have ended by themselves.
    lapsed: Vec<usize>,
    /// Polls that the kernel has not ended.
    armed: usize,
    gathers: bool,
    enter_flags: u32,
}

impl Ring {
    /// An empty one, to be used by this thread alone; an error where the system has or allows none.
    pub fn new() -> io::Result<Ring> {
        Ring::with_sizes(SUBMIT_MAX, COMPLETIONS)
    }

    /// One with room for so many requests and completions.
    fn with_sizes(requests: u32, completions: u32) -> io::Result<Ring> {
        let queues = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(completions)
            .dontfork()
            .build(requests)?;
        let params = queues.params();
        if !params.is_feature_nodrop() || !params.is_feature_ext_arg() {
            return Err(ErrorKind::Unsupported.into());
        }
        let gathers = params.is_feature_min_timeout();
        let no_iowait = if params.is_feature_no_iowait() { ENTER_NO_IOWAIT } else { 0 };
        Ok(Ring {
            queues,
            watched: Vec::new(),
            changes: Vec::new(),
            lapsed: Vec::new(),
            armed: 0,
            gathers,
            enter_flags: ENTER_GETEVENTS | ENTER_EXT_ARG | no_iowait,
        })
    }

    /// Tells of changes on a descriptor under this token from the next wait on, beginning with what it is ready for then. The
    /// token must not be in use.
    pub fn watch(&mut self, token: usize, fd: RawFd) -> io::Result<()> {
        if self.watched.len() <= token {
            self.watched.resize_with(token + 1, Watched::default);
        }
        let watched = &mut self.watched[token];
        assert!(!watched.live, "a token is watched once at a time");
        *watched = Watched { fd, generation: (watched.generation + 1) & GENERATION_MAX, live: false };
        self.poll(token)?;
        self.watched[token].live = true;
        Ok(())
    }

    /// Tells of no changes under this token any more, also of those that were there before.
    pub fn unwatch(&mut self, token: usize) -> io::Result<()> {
        let Some(watched) = self.watched.get_mut(token).filter(|watched| watched.live) else { return Ok(()) };
        watched.live = false;
        let user_data = watched.user_data(token);
        self.changes.retain(|change| change.token != token);
        self.lapsed.retain(|lapsed| *lapsed != token);
        self.cancel(user_data)
    }

    /// Ends a poll. Its removal would not: that leaves one alone that is being woken, and with it the socket open.
    fn cancel(&mut self, user_data: u64) -> io::Result<()> {
        let cancel = opcode::AsyncCancel::new(user_data).build().flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&cancel.user_data(CANCEL))
    }

    /// Ends all polls and begins them anew: some may have ended without a word.
    fn watch_again(&mut self) -> io::Result<()> {
        for token in 0..self.watched.len() {
            if self.watched[token].live {
                self.cancel(self.watched[token].user_data(token))?;
                self.watched[token].generation = (self.watched[token].generation + 1) & GENERATION_MAX;
                self.poll(token)?;
            }
        }
        Ok(())
    }

    fn poll(&mut self, token: usize) -> io::Result<()> {
        let watched = &self.watched[token];
        let poll = opcode::PollAdd::new(Fd(watched.fd), INTEREST).multi(true).build();
        let poll = poll.user_data(watched.user_data(token));
        self.push(&poll)?;
        self.armed += 1;
        Ok(())
    }

    /// Puts a request in the queue that points to no memory.
    fn push(&mut self, request: &squeue::Entry) -> io::Result<()> {
        if self.queues.submission().is_full() {
            self.submit()?;
        }
        // SAFETY: neither kind of request points to memory.
        unsafe { self.queues.submission().push(request) }.map_err(|_| ErrorKind::OutOfMemory.into())
    }

    /// Hands over all that is in the queue.
    fn submit(&mut self) -> io::Result<()> {
        while !self.queues.submission().is_empty() {
            match self.queues.submit() {
                Ok(_) => {}
                Err(error) if is_passing(&error) => drop(self.take_completions(&mut [])),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for changes, `timeout` at most; with `gather` for so many of them where they come within that time, else
    /// for one. Returns early where changes are known already, and on a signal.
    pub fn wait(&mut self, timeout: Duration, gather: Option<Wanted>) -> io::Result<()> {
        self.take_completions(&mut []);
        self.poll_lapsed()?;
        let known = !self.changes.is_empty();
        if known && self.queues.submission().is_empty() {
            return Ok(());
        }
        let (wanted, span) = match gather {
            _ if known || timeout.is_zero() => (0, Duration::ZERO),
            Some(wanted) if self.gathers => (wanted.count, wanted.span.min(timeout)),
            _ => (1, Duration::ZERO),
        };
        self.enter(wanted, timeout, span)?;
        // The kernel tells of no more than about twenty at a time.
        let mut before = if known { CHANGES_MAX } else { 0 };
        while self.changes.len() >= before + CHANGES_AT_ONCE && self.changes.len() < CHANGES_MAX {
            before = self.changes.len();
            self.enter(0, Duration::ZERO, Duration::ZERO)?;
        }
        Ok(())
    }

    /// Hands over what is in the queue, and waits for so many completions; after `span` for one.
    fn enter(&mut self, wanted: u32, timeout: Duration, span: Duration) -> io::Result<()> {
        let to_submit = self.queues.submission().len() as u32;
        let limit = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
        let args = SubmitArgs::new().timespec(&limit).min_wait_usec(span.as_micros() as u32);
        // SAFETY: the argument is of the kind that the flag says, and lives until the call returns; what is handed
        // over are polls and their cancellations.
        let entered = unsafe { self.queues.submitter().enter(to_submit, wanted, self.enter_flags, Some(&args)) };
        self.take_completions(&mut []);
        match entered {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) || error.raw_os_error() == Some(libc::ETIME) => Ok(()),
            // The kernel had no memory for a completion, which is lost.
            Err(error) if error.raw_os_error() == Some(libc::EBADR) => self.watch_again(),
            Err(error) => Err(error),
        }
    }

    /// The changes since the last call: into `changes`, whose former content goes.
    pub fn take_changes(&mut self, changes: &mut Vec<Change>) {
        changes.clear();
        std::mem::swap(changes, &mut self.changes);
    }

    /// Sends each piece to its socket, without waiting for room: what each took, or its error, stands in `sent`, in the same
    /// order. At most [`SENDS_MAX`] pieces.
    pub fn send_together(&mut self, pieces: &[(RawFd, &[u8])], sent: &mut [i32; SENDS_MAX]) -> io::Result<()> {
        assert!(pieces.len() <= SENDS_MAX, "more pieces than are sent together");
        let queue = self.queues.submission();
        let has_room = queue.len() + pieces.len() <= queue.capacity();
        drop(queue);
        if !has_room {
            self.submit()?;
        }
        for (at, (fd, piece)) in pieces.iter().enumerate() {
            let send = opcode::Send::new(Fd(*fd), piece.as_ptr(), piece.len() as u32)
                .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
                .build()
                .user_data(SEND | at as u64);
            // SAFETY: the piece is borrowed until this function returns, which is when its request has completed.
            unsafe { self.queues.submission().push(&send) }.expect("room was made for all of them");
        }
        let mut missing = pieces.len();
        let mut wanted = 0;
        while missing > 0 {
            match self.queues.submit_and_wait(wanted) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    // The kernel may still read what is borrowed, and nobody can tell when it has.
                    eprintln!("io_uring failed while sending: {error}");
                    std::process::abort();
                }
            }
            missing -= self.take_completions(sent);
            // They complete as they are handed over, since none waits for room. Whatever did not is waited for.
            wanted = 1;
        }
        Ok(())
    }

    /// Takes what has completed: polls to the changes, sends into `sent`. How many sends it were.
    fn take_completions(&mut self, sent: &mut [i32]) -> usize {
        let Ring { queues, watched, changes, lapsed, armed, .. } = self;
        let mut sends = 0;
        for completion in queues.completion() {
            let user_data = completion.user_data();
            match user_data & TAG {
                SEND => {
                    sent[(user_data & !TAG) as usize] = completion.result();
                    sends += 1;
                }
                POLL => {
                    let token = (user_data & u64::from(u32::MAX)) as usize;
                    let goes_on = cqueue::more(completion.flags());
                    *armed -= usize::from(!goes_on);
                    if watched.get(token).is_some_and(|watched| watched.live && watched.user_data(token) == user_data) {
                        if let Ok(bits) = u32::try_from(completion.result()) {
                            changes.push(Change { token, bits });
                        }
                        if !goes_on {
                            lapsed.push(token);
                        }
                    }
                }
                _ => {} // A poll that was to be cancelled had ended by then.
            }
        }
        sends
    }

    /// Polls again what the kernel has stopped to poll: it had no room or no memory.
    fn poll_lapsed(&mut self) -> io::Result<()> {
        while let Some(token) = self.lapsed.pop() {
            if self.watched[token].live {
                self.poll(token)?;
            }
        }
        Ok(())
    }
}

impl Watched {
    fn user_data(&self, token: usize) -> u64 {
        POLL | u64::from(self.generation) << 32 | token as u64
    }
}

/// Whether the same call can succeed in a moment: interrupted, or completions are to be taken first.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::{Change, Ring, SENDS_MAX, Wanted};

    /// Longer than any of this takes on a machine that does other work too.
    const LONG: Duration = Duration::from_secs(20);

    fn ring() -> Ring {
        Ring::new().expect("a system with io_uring; without it the server uses epoll, and this can't be tested")
    }

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("two ends");
        ours.set_nonblocking(true).expect("no waiting");
        (ours, theirs)
    }

    /// The tokens that have become readable by the end of a wait.
    fn readable(ring: &mut Ring, timeout: Duration, gather: Option<Wanted>) -> Vec<usize> {
        ring.wait(timeout, gather).expect("a wait");
        let mut changes = Vec::new();
        ring.take_changes(&mut changes);
        let is_readable = |change: &&Change| change.bits & libc::EPOLLIN as u32 != 0;
        changes.iter().filter(is_readable).map(|change| change.token).collect()
    }

    /// Watches sockets under tokens from 0 on, and takes what they are ready for at first: to be written to.
    fn watch(ring: &mut Ring, sockets: &[UnixStream]) {
        for (token, socket) in sockets.iter().enumerate() {
            ring.watch(token, socket.as_raw_fd()).expect("it is watched");
        }
        assert_eq!(readable(ring, LONG, None), [0; 0]);
    }

    #[test]
    fn a_socket_is_told_of_once_for_each_time_something_comes() {
        let (mut ring, (mut ours, mut theirs)) = (ring(), pair());
        watch(&mut ring, std::slice::from_ref(&ours));
        for _ in 0..3 {
            theirs.write_all(b"PING").expect("room");
            assert_eq!(readable(&mut ring, LONG, None), [0]);
            assert_eq!(readable(&mut ring, Duration::ZERO, None), [0; 0], "what was told is not told again");
            assert_eq!(ours.read(&mut [0; 16]).expect("it is there"), 4);
        }
        drop(theirs);
        ring.wait(LONG, None).expect("a wait");
        let mut changes = Vec::new();
        ring.take_changes(&mut changes);
        assert_ne!(changes[0].bits & libc::EPOLLHUP as u32, 0, "{changes:?}");
    }

    #[test]
    fn what_is_not_watched_any_more_is_not_told_of_and_its_token_is_free() {
        let mut ring = ring();
        let (sockets, mut theirs): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
        watch(&mut ring, &sockets);
        theirs[0].write_all(b"x").expect("room");
        ring.unwatch(0).expect("it was watched");
        ring.unwatch(0).expect("nothing is left to do");
        assert_eq!(readable(&mut ring, Duration::ZERO, None), [0; 0]);
        let (other, mut far) = pair();
        ring.watch(0, other.as_raw_fd()).expect("the token is free");
        theirs[0].write_all(b"y").expect("room");
        assert_eq!(readable(&mut ring, LONG, None), [0; 0], "room to write, and nothing of the socket before");
        far.write_all(b"z").expect("room");
        assert_eq!(readable(&mut ring, LONG, None), [0]);
    }

    #[test]
    fn a_socket_that_is_not_watched_any_more_can_be_closed() {
        let (mut ring, (ours, mut theirs)) = (ring(), pair());
        watch(&mut ring, std::slice::from_ref(&ours));
        ring.unwatch(0).expect("it was watched");
        drop(ours);
        ring.wait(Duration::ZERO, None).expect("a wait");
        assert_eq!(theirs.read(&mut [0; 16]).expect("the end"), 0);
        assert_eq!(ring.armed, 0);
    }

    // The removal of a poll that is being woken leaves it as it is, and its socket open for ever.
    #[test]
    fn no_poll_is_left_of_a_socket_that_was_shut_down_or_has_news() {
        let mut ring = ring();
        let (sockets, mut theirs): (Vec<_>, Vec<_>) = (0..3).map(|_| pair()).unzip();
        watch(&mut ring, &sockets);
        sockets[0].shutdown(std::net::Shutdown::Both).expect("it is open");
        theirs[1].write_all(b"news").expect("room");
        drop(theirs.remove(2));
        (0..3).for_each(|token| ring.unwatch(token).expect("it was watched"));
        drop(sockets);
        for _ in 0..3 {
            ring.wait(Duration::ZERO, None).expect("a wait");
        }
        assert_eq!(ring.armed, 0);
    }

    #[test]
    fn what_is_watched_again_is_told_again() {
        let mut ring = ring();
        let (sockets, mut theirs): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
        watch(&mut ring, &sockets);
        theirs[1].write_all(b"x").expect("room");
        assert_eq!(readable(&mut ring, LONG, None), [1]);
        ring.watch_again().expect("they are watched");
        let mut told = readable(&mut ring, LONG, None);
        told.extend(readable(&mut ring, Duration::ZERO, None));
        assert_eq!((told, ring.armed), (vec![1], 2));
        theirs[0].write_all(b"x").expect("room");
        assert_eq!(readable(&mut ring, LONG, None), [0]);
    }

    #[test]
    fn more_sockets_than_the_queue_holds_are_watched() {
        let mut ring = ring();
        let (ours, mut theirs) = pair();
        let copies: Vec<UnixStream> =
            (0..super::SUBMIT_MAX as usize + 10).map(|_| ours.try_clone().expect("a descriptor")).collect();
        watch(&mut ring, &copies);
        theirs.write_all(b"x").expect("room");
        let mut told = Vec::new();
        while told.len() < copies.len() {
            told.extend(readable(&mut ring, LONG, None));
        }
        told.sort_unstable();
        assert_eq!(told, (0..copies.len()).collect::<Vec<_>>());
    }

    #[test]
    fn sockets_are_told_of_where_completions_have_no_room_either() {
        let mut ring = Ring::with_sizes(4, 8).expect("a system with io_uring");
        let (ours, mut theirs) = pair();
        let copies: Vec<UnixStream> = (0..100).map(|_| ours.try_clone().expect("a descriptor")).collect();
        for (token, socket) in copies.iter().enumerate() {
            ring.watch(token, socket.as_raw_fd()).expect("it is watched");
        }
        for _ in 0..3 {
            theirs.write_all(b"x").expect("room");
            let mut told = std::collections::BTreeSet::new();
            while told.len() < copies.len() {
                told.extend(readable(&mut ring, LONG, None));
            }
        }
    }

    /// A descriptor that is readable after a time.
    fn timer(after: Duration) -> OwnedFd {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec { tv_nsec: after.subsec_nanos().into(), ..zero };
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: the setting lives until the call returns, and the descriptor is new and nobody else's.
        unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, 0);
            assert_eq!(libc::timerfd_settime(fd, 0, &raw const setting, std::ptr::null_mut()), 0);
            OwnedFd::from_raw_fd(fd)
        }
    }

    #[test]
    fn a_wait_gathers_what_comes_in_time_and_no_longer() {
        let mut ring = ring();
        let timers = [1, 20, 40, 400].map(|ms| timer(Duration::from_millis(ms)));
        for (token, timer) in timers.iter().enumerate() {
            ring.watch(token, timer.as_raw_fd()).expect("it is watched");
        }
        let wanted = |count, span| Some(Wanted { count, span });
        assert_eq!(readable(&mut ring, LONG, wanted(3, LONG)), [0, 1, 2]);
        assert_eq!(readable(&mut ring, LONG, wanted(9, Duration::from_millis(1))), [3], "one is enough then");
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let (started, span) = (std::time::Instant::now(), Duration::from_millis(5));
        assert_eq!(readable(&mut ring(), span, None), [0; 0]);
        assert!(started.elapsed() >= span);
    }

    #[test]
    fn pieces_go_out_together_and_each_has_a_result_of_its_own() {
        let mut ring = ring();
        let (sockets, mut theirs): (Vec<_>, Vec<_>) = (0..3).map(|_| pair()).unzip();
        watch(&mut ring, &sockets);
        // The first has no room, and nobody reads from the second any more.
        while (&sockets[0]).write(&[0; 4096]).is_ok() {}
        theirs[1].shutdown(std::net::Shutdown::Both).expect("it is open");
        theirs[2].write_all(b"meanwhile").expect("room");
        let pieces: Vec<_> = sockets.iter().map(|socket| (socket.as_raw_fd(), &b"+OK\r\n"[..])).collect();
        let mut sent = [0; SENDS_MAX];
        ring.send_together(&pieces, &mut sent).expect("they are sent");
        assert_eq!(sent[..3], [-libc::EAGAIN, -libc::EPIPE, 5]);
        let mut came = [0; 16];
        assert_eq!(theirs[2].read(&mut came).expect("it is there"), 5);
        assert_eq!(came[..5], *b"+OK\r\n");
        assert!(readable(&mut ring, LONG, None).contains(&2), "what came meanwhile is told");
    }

    #[test]
    fn as_many_pieces_as_fit_are_sent_time_and_again() {
        let mut ring = ring();
        let (sockets, mut theirs): (Vec<_>, Vec<_>) = (0..SENDS_MAX).map(|_| pair()).unzip();
        let texts: Vec<String> = (0..SENDS_MAX).map(|at| format!("reply {at}")).collect();
        let pieces: Vec<_> =
            sockets.iter().zip(&texts).map(|(socket, text)| (socket.as_raw_fd(), text.as_bytes())).collect();
        for _ in 0..3 * super::SUBMIT_MAX as usize / SENDS_MAX {
            let mut sent = [0; SENDS_MAX];
            ring.send_together(&pieces, &mut sent).expect("they are sent");
            for ((socket, text), sent) in theirs.iter_mut().zip(&texts).zip(sent) {
                let mut came = vec![0; text.len()];
                socket.read_exact(&mut came).expect("it is there");
                assert_eq!((came.as_slice(), sent), (text.as_bytes(), text.len() as i32));
            }
        }
    }
}
