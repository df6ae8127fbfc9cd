//! What only the C library can do. Every call's conditions stand beside it; nothing here keeps a pointer.

use std::ffi::CString;
use std::mem::MaybeUninit;

use node::CpuFigures;

use crate::sockets::Connection;

/// A moment in local time.
pub struct LocalTime {
    /// The year.
    pub year: i32,
    /// The month, 0 to 11.
    pub month0: i32,
    /// The day of the month.
    pub day: i32,
    /// The hour.
    pub hour: i32,
    /// The minute.
    pub minute: i32,
    /// The second.
    pub second: i32,
}

/// Unix seconds as local time.
pub fn local_time(unix_seconds: i64) -> LocalTime {
    let mut out = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, and an all-zero tm is a valid value even if the call fails.
    let tm = unsafe {
        libc::localtime_r(&unix_seconds, out.as_mut_ptr());
        out.assume_init()
    };
    LocalTime {
        year: tm.tm_year + 1900,
        month0: tm.tm_mon,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
    }
}

/// The monotonic clock in microseconds, from an arbitrary start.
pub fn monotonic_micros() -> u64 {
    let mut out = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and the zero moment stays if it fails, which it can't with this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut out) };
    out.tv_sec as u64 * 1_000_000 + out.tv_nsec as u64 / 1000
}

/// Processor time used so far.
pub fn cpu() -> CpuFigures {
    let usage = |who| {
        let mut out = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is valid for the call, and an all-zero rusage is a valid value even if it fails.
        unsafe {
            libc::getrusage(who, out.as_mut_ptr());
            out.assume_init()
        }
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    let all = usage(libc::RUSAGE_SELF);
    let main = usage(libc::RUSAGE_THREAD);
    CpuFigures {
        system: micros(all.ru_stime),
        user: micros(all.ru_utime),
        system_main: micros(main.ru_stime),
        user_main: micros(main.ru_utime),
    }
}

/// Name, release and machine of the operating system, as `uname -srm` prints them.
pub fn os_name() -> String {
    let mut out = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the pointer is valid for the call; all-zero is a valid (empty) value even if it fails.
    let names = unsafe {
        libc::uname(out.as_mut_ptr());
        out.assume_init()
    };
    let text =
        |field: &[libc::c_char]| field.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect::<String>();
    format!("{} {} {}", text(&names.sysname), text(&names.release), text(&names.machine))
}

/// The machine's memory in bytes.
pub fn total_memory() -> u64 {
    // SAFETY: sysconf takes no pointer.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

/// Whether there is a process of this id, on the same machine and in the same container.
pub fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 is sent to nobody, it only asks.
    let asked = unsafe { libc::kill(pid, 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// How many files the program may have open.
pub fn open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the call, and the zero limit stays if it fails.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur
}

/// Raises the limit of open files to `wanted`, as far as allowed: what it is afterwards, and why it is not more.
pub fn raise_open_files(wanted: u64) -> (u64, Option<std::io::Error>) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return (0, Some(std::io::Error::last_os_error()));
    }
    if limit.rlim_cur >= wanted {
        return (limit.rlim_cur, None);
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    // SAFETY: the pointer is valid for the call. Only root may raise the hard limit, so a second try keeps to it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
        return (wanted, None);
    }
    let refused = std::io::Error::last_os_error();
    let within = libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), rlim_max: limit.rlim_max };
    // SAFETY: as above.
    let now = if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &within) } == 0 { within } else { limit };
    (now.rlim_cur, Some(refused))
}

/// Goes to the background: the calling process ends, a child of its own session goes on. Must be called before any
/// thread is started.
pub fn daemonize() -> std::io::Result<()> {
    // SAFETY: no other thread exists yet, so the child may go on using the library; the parent leaves at once
    // without running destructors.
    unsafe {
        match libc::fork() {
            -1 => return Err(std::io::Error::last_os_error()),
            0 => {}
            _ => libc::_exit(0),
        }
        libc::setsid();
    }
    let null = CString::new("/dev/null").expect("no zero byte in it");
    // SAFETY: the path is a valid C string; the descriptors are plain numbers.
    unsafe {
        let fd = libc::open(null.as_ptr(), libc::O_RDWR);
        if fd >= 0 {
            for standard in 0..3 {
                libc::dup2(fd, standard);
            }
            if fd > 2 {
                libc::close(fd);
            }
        }
    }
    Ok(())
}

/// Reads what is there behind the bytes that are in `into`, no more than fits without moving them and no more than `max`.
pub fn read_behind(connection: &Connection, into: &mut Vec<u8>, max: usize) -> std::io::Result<usize> {
    let room = into.spare_capacity_mut();
    let max = room.len().min(max);
    // SAFETY: so many bytes may be written there; the descriptor is open while its connection is borrowed.
    let count = unsafe { libc::read(connection.as_raw_fd(), room.as_mut_ptr().cast(), max) };
    let count = usize::try_from(count).map_err(|_| std::io::Error::last_os_error())?;
    // SAFETY: the system has written so many bytes behind those that were there, within the capacity.
    unsafe { into.set_len(into.len() + count) };
    Ok(count)
}

/// Waits until a connection takes more bytes: false when the time is up first.
pub fn wait_writable(connection: &Connection, at_most: std::time::Duration) -> bool {
    wait_any_writable(&[connection], at_most)
}

/// Waits until one of these connections takes more bytes: false when the time is up first.
pub fn wait_any_writable(connections: &[&Connection], at_most: std::time::Duration) -> bool {
    let wanted =
        |connection: &&Connection| libc::pollfd { fd: connection.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    let mut wanted: Vec<libc::pollfd> = connections.iter().map(wanted).collect();
    let ms = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: pointer and length are those of a vector that lives through the call; the descriptors are open while their
    // connections are borrowed.
    unsafe { libc::poll(wanted.as_mut_ptr(), wanted.len() as libc::nfds_t, ms) > 0 }
}
