//! What the system grants: open files for the clients, and waiting connections.

use node::LogLevel;

use crate::logger::Logger;
use crate::{RESERVED_FILES, system};

/// Sees to it that as many clients as asked for can be served: how many can.
pub fn clients_possible(wanted: u32, logger: &Logger) -> u32 {
    let needed = u64::from(wanted) + RESERVED_FILES;
    let before = system::open_files();
    if before >= needed {
        return wanted;
    }
    let (now, refused) = system::raise_open_files(needed);
    if now >= needed {
        let text = format!("Increased maximum number of open files to {needed} (it was originally set to {before}).");
        logger.log(LogLevel::Notice, &text);
        return wanted;
    }
    let possible = u32::try_from(now.saturating_sub(RESERVED_FILES)).unwrap_or(u32::MAX).min(wanted);
    let cause = refused.map_or(String::new(), |error| format!(" because of OS error: {}", crate::reason(&error)));
    logger.log(
        LogLevel::Warning,
        &format!("You requested maxclients of {wanted} requiring at least {needed} max file descriptors."),
    );
    logger.log(LogLevel::Warning, &format!("Server can't set maximum open files to {needed}{cause}."));
    logger.log(
        LogLevel::Warning,
        &format!(
            "Current maximum open files is {now}. maxclients has been reduced to {possible} to compensate for low \
             ulimit. If you need higher maxclients increase 'ulimit -n'."
        ),
    );
    possible
}

/// Says so if the system lets fewer connections wait than `tcp-backlog` asks for.
pub fn check_backlog(wanted: u32, logger: &Logger) {
    const PATH: &str = "/proc/sys/net/core/somaxconn";
    let granted = std::fs::read_to_string(PATH).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(granted) = granted.filter(|granted| *granted < wanted) {
        let text = format!(
            "WARNING: The TCP backlog setting of {wanted} cannot be enforced because {PATH} is set to the lower value \
             of {granted}."
        );
        logger.log(LogLevel::Warning, &text);
    }
}
