//! One request and its reply. Echoes, noise and late answers are dropped.

use std::io;

use mbus::frame::{self, Found, Frame, LONGEST};
use tokio::time::Instant;

use crate::{line::Line, timing::Timing};

/// Most bytes that are kept of a reply: the request's echo, noise, and a frame.
const ROOM: usize = 4 * LONGEST;
/// Most pauses in which a line is waited for to become quiet.
const PAUSES: u32 = 50;

/// Reply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Acknowledgement.
    Ack,
    /// A meter's frame, as sent.
    Frame(Vec<u8>),
    /// Bytes, and no frame among them: damage, or several meters at once.
    Damaged,
    /// Nothing.
    Silence,
}

/// Sends a request and waits for the reply.
///
/// # Errors
///
/// Returns the error of the line.
pub(crate) async fn ask(line: &mut impl Line, timing: Timing, request: &[u8]) -> io::Result<Reply> {
    quiet(line, timing).await?;
    line.send(request).await?;
    let sent = Instant::now();
    // Neither noise nor a meter that babbles extends the time for ever.
    let end = sent + timing.answer() + timing.characters(ROOM) + timing.gap();
    let mut deadline = sent + timing.answer();
    let (mut buffer, mut len) = ([0; ROOM], 0);
    while len < buffer.len() {
        let count = line.read(&mut buffer[len..], deadline.min(end)).await?;
        if count == 0 {
            break;
        }
        len += count;
        if let Some(reply) = whole(&buffer[..len], request) {
            return Ok(reply);
        }
        if !is_echo(&buffer[..len], request) {
            // The answer has begun, whenever that was: it ends with its last byte, or by a gap.
            deadline = deadline.max(Instant::now() + timing.gap());
        }
    }
    Ok(last_resort(&buffer[..len], request))
}

/// Waits until the line is quiet, and drops what still comes: the end of a late answer, noise.
pub(crate) async fn quiet(line: &mut impl Line, timing: Timing) -> io::Result<()> {
    let mut dropped = [0; LONGEST];
    for _ in 0..PAUSES {
        if line.read(&mut dropped, Instant::now() + timing.pause()).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the reply as soon as it is whole.
fn whole(bytes: &[u8], request: &[u8]) -> Option<Reply> {
    let mut from = 0;
    loop {
        match frame::find(&bytes[from..]) {
            Found::Frame { frame, start, end } => {
                let sent = &bytes[from + start..from + end];
                if sent != request && is_reply(frame) {
                    return Some(reply(frame, sent));
                }
                from += end;
            }
            // What looks like the beginning of a frame may be one.
            Found::Incomplete { .. } | Found::Nothing => return None,
        }
    }
}

/// Returns the reply when no more bytes come: a false start may hide a frame.
fn last_resort(bytes: &[u8], request: &[u8]) -> Reply {
    let found = frame::all(bytes).find(|(_, frame)| is_reply(*frame));
    match found {
        Some((start, frame @ Frame::Long { data, .. })) => {
            reply(frame, &bytes[start..start + data.len() + 9])
        }
        Some((_, frame)) => reply(frame, &[]),
        None if is_echo(bytes, request) => Reply::Silence,
        None => Reply::Damaged,
    }
}

fn reply(frame: Frame<'_>, sent: &[u8]) -> Reply {
    if frame == Frame::Ack { Reply::Ack } else { Reply::Frame(sent.to_vec()) }
}

/// Returns whether a meter sends it: a master's frames are echoes.
fn is_reply(frame: Frame<'_>) -> bool {
    frame == Frame::Ack || frame.is_answer()
}

/// Returns whether the bytes are the request's echo, or a part of it, and nothing else.
fn is_echo(bytes: &[u8], request: &[u8]) -> bool {
    request.starts_with(bytes)
}
