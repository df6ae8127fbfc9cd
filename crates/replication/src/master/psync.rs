//! What a PSYNC or SYNC is answered, before anything is remembered. Pure.

use super::replconf::Negotiated;
use super::{PsyncRequest, StreamView, Upstream};
use crate::history::Refusal;

/// The judgment over a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An error, whole.
    Refused(&'static [u8]),
    PromoteFirst,
    Continue {
        reply: Vec<u8>,
        from: u64,
    },
    /// What it wants is about to come from our own master.
    Hold(Refusal),
    Full(Refusal),
}

// -NOMASTERLINK is a code of its own: a replica that reads it behind -ERR falls back to SYNC.
const FAILING_OVER: &[u8] = b"-NOMASTERLINK Can't SYNC while failing over\r\n";
pub(super) const NO_MASTER_LINK: &[u8] = b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n";
const PENDING_OUTPUT: &[u8] = b"-ERR SYNC and PSYNC are invalid with pending output\r\n";
const NEEDS_EOF: &[u8] = b"-ERR Filtered replica requires EOF capability\r\n";
const FAILOVER_TO_MASTER: &[u8] = b"-ERR PSYNC FAILOVER can't be sent to a master.\r\n";
const FAILOVER_OF_OTHERS: &[u8] = b"-ERR PSYNC FAILOVER replid must match my replid.\r\n";

/// Judges PSYNC, or SYNC if `request` is None.
pub(super) fn judge(
    request: Option<&PsyncRequest<'_>>,
    pending_output: bool,
    failing_over: bool,
    negotiated: &Negotiated,
    view: &StreamView<'_>,
) -> Verdict {
    if let Some(request) = request.filter(|request| request.failover) {
        let ours = base::ReplId::parse(request.id) == Some(view.history.replid());
        return match (view.upstream, ours) {
            (Upstream::None, _) => Verdict::Refused(FAILOVER_TO_MASTER),
            (_, false) => Verdict::Refused(FAILOVER_OF_OTHERS),
            (_, true) => Verdict::PromoteFirst,
        };
    }
    if failing_over {
        return Verdict::Refused(FAILING_OVER);
    }
    if view.upstream == Upstream::Down {
        return Verdict::Refused(NO_MASTER_LINK);
    }
    if pending_output {
        return Verdict::Refused(PENDING_OUTPUT);
    }
    if negotiated.is_filtered() && !negotiated.eof {
        return Verdict::Refused(NEEDS_EOF);
    }
    match request {
        Some(request) if !negotiated.rdb_only => judge_position(request.id, request.wanted, negotiated, view),
        _ => Verdict::Full(Refusal::AskedForFull),
    }
}

/// Judges the position alone.
pub(super) fn judge_position(id: &[u8], wanted: i64, negotiated: &Negotiated, view: &StreamView<'_>) -> Verdict {
    match view.history.continues(id, wanted, view.retained) {
        Ok(from) if negotiated.psync2 => {
            let mut reply = format!("+CONTINUE {}", view.history.replid());
            if negotiated.history {
                for (older, end) in view.history.since(id) {
                    reply.push_str(&format!(" {older} {end}"));
                }
            }
            reply.push_str("\r\n");
            Verdict::Continue { reply: reply.into_bytes(), from }
        }
        Ok(from) => Verdict::Continue { reply: b"+CONTINUE\r\n".to_vec(), from },
        // Under the present id, or under an older one whose end is still on its way to us.
        Err(refusal @ Refusal::TooNew(_)) if view.upstream == Upstream::Up => Verdict::Hold(refusal),
        Err(refusal) => Verdict::Full(refusal),
    }
}
