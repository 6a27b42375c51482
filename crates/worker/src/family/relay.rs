//! What a child writes: from its pipes, line by line, to where the worker's output goes.
//!
//! **Invariant: the room that a child's output takes here is bounded, and none of it is lost.** What is not read stays in
//! the pipe, and a child that writes faster than it is read waits there.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use prewire_os::{Pipe, WaitSet};

use crate::output::{Line, Stream};

/// A longer line is handed on in pieces of this many bytes.
const LINE: usize = 16 << 10;
/// What is read of one stream before it is another's turn.
const TURN: usize = 64 << 10;
/// How many lines are kept as the last words of a child, and how many bytes of each.
const WORDS: (usize, usize) = (6, 400);

/// Who gets the lines.
pub(super) type To<'t> = &'t mut dyn FnMut(&Line<'_>);

/// The two ends to which a child writes.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// One stream of a child.
#[derive(Debug)]
struct Spout {
    pipe: Pipe,
    stream: Stream,
    /// The start of a line whose end has not come.
    partial: Vec<u8>,
}

/// The streams of one child, and of those that replace it.
#[derive(Debug)]
pub(super) struct Relay {
    /// The child's place in the tree.
    path: String,
    spouts: [Spout; 2],
    words: VecDeque<String>,
}

impl Relay {
    /// Makes the pipes.
    pub(super) fn new(path: String) -> io::Result<Self> {
        let spout = |stream| Ok::<_, io::Error>(Spout { pipe: Pipe::new()?, stream, partial: Vec::new() });
        let spouts = [spout(Stream::Stdout)?, spout(Stream::Stderr)?];
        Ok(Self { path, spouts, words: VecDeque::new() })
    }

    /// The ends for the child.
    pub(super) fn voice(&self) -> io::Result<Voice> {
        let [stdout, stderr] = &self.spouts;
        Ok(Voice {
            stdout: stdout.pipe.writer().try_clone_to_owned()?,
            stderr: stderr.pipe.writer().try_clone_to_owned()?,
        })
    }

    /// The ends for the child, in a process that has no use for the others.
    pub(super) fn into_voice(self) -> io::Result<Voice> {
        self.voice()
    }

    /// Waits for output, under two keys from `key` on.
    pub(super) fn watch(&self, set: &WaitSet, key: u64) -> io::Result<()> {
        self.spouts.iter().zip(key..).try_for_each(|(spout, key)| set.add(&spout.pipe, key))
    }

    /// Waits for output no more, until it is watched again.
    pub(super) fn unwatch(&self, set: &WaitSet) -> io::Result<()> {
        self.spouts.iter().try_for_each(|spout| set.remove(&spout.pipe))
    }

    /// Hands on what is there of stream `which`: a turn of it, of the process `pid`.
    pub(super) fn pump(&mut self, which: usize, pid: u32, to: To<'_>) {
        let Self { path, spouts, words } = self;
        let spout = &mut spouts[which];
        let mut bytes = [0; 8 << 10];
        let mut left = TURN;
        while left > 0
            && let Ok(Some(count @ 1..)) = spout.pipe.read(&mut bytes)
        {
            left = left.saturating_sub(count);
            spout.take(&bytes[..count], &mut |stream, text| tell(path, words, stream, pid, text, to));
        }
    }

    /// The process is dead: hands on all that it wrote, ended lines or not.
    pub(super) fn finish(&mut self, pid: u32, to: To<'_>) {
        for which in 0..2 {
            // A pipe holds less than this, and nobody writes to it any more.
            (0..16).for_each(|_| self.pump(which, pid, to));
            let Self { path, spouts, words } = self;
            let rest = std::mem::take(&mut spouts[which].partial);
            if !rest.is_empty() {
                tell(path, words, spouts[which].stream, pid, &String::from_utf8_lossy(&rest), to);
            }
        }
    }

    /// The last that it wrote to stderr; forgotten by this.
    pub(super) fn last_words(&mut self) -> String {
        std::mem::take(&mut self.words).into_iter().collect::<Vec<_>>().join(" | ")
    }
}

impl Spout {
    /// Cuts what came into lines.
    fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Stream, &str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            self.partial.extend_from_slice(text);
            if ended || self.partial.len() >= LINE {
                tell(self.stream, &String::from_utf8_lossy(&self.partial));
                self.partial.clear();
            }
        }
    }
}

/// Hands on one line.
fn tell(path: &str, words: &mut VecDeque<String>, stream: Stream, pid: u32, text: &str, to: To<'_>) {
    let line = labelled(path, text, stream);
    if stream == Stream::Stderr && line.is_none() && says_something(text.trim()) {
        if words.len() == WORDS.0 {
            words.pop_front();
        }
        words.push_back(text[..text.floor_char_boundary(WORDS.1)].trim().to_owned());
    }
    to(&line.unwrap_or(Line { worker: path, pid, stream, text }));
}

/// Whether a line is a last word: not those of a backtrace, behind which what was said before it would be lost.
fn says_something(text: &str) -> bool {
    let frame =
        text.split_once(": ").is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
    !(text.is_empty()
        || frame
        || text.starts_with("at ")
        || text.starts_with("stack backtrace:")
        || text.starts_with("note: "))
}

/// A line of a child's child, which the child has labelled.
fn labelled<'t>(path: &str, text: &'t str, stream: Stream) -> Option<Line<'t>> {
    let (label, text) = text.strip_prefix('[')?.split_once("] ")?;
    let (worker, pid) = label.rsplit_once(' ')?;
    worker.strip_prefix(path)?.strip_prefix('/')?;
    Some(Line { worker, pid: pid.parse().ok()?, stream, text })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn the_frames_of_a_backtrace_are_no_last_words() {
        let text = "thread 'main' panicked at src/main.rs:3:5:\nboom\nstack backtrace:\n   0: std::panicking\n             \
                    at ./src/lib.rs:1:1\nnote: Some details are omitted";
        let said: Vec<_> = text.lines().map(str::trim).filter(|line| says_something(line)).collect();
        assert_eq!(said, ["thread 'main' panicked at src/main.rs:3:5:", "boom"]);
    }

    type Heard = Arc<Mutex<Vec<(String, u32, String)>>>;

    fn listener() -> (Heard, impl FnMut(&Line<'_>)) {
        let heard = Heard::default();
        let to = Arc::clone(&heard);
        let hear = move |line: &Line<'_>| {
            to.lock().unwrap().push((line.worker.to_owned(), line.pid, line.text.to_owned()));
        };
        (heard, hear)
    }

    fn texts(heard: &Heard) -> Vec<String> {
        heard.lock().unwrap().drain(..).map(|(_, _, text)| text).collect()
    }

    #[test]
    fn lines_come_whole_and_the_last_without_its_end() {
        let (heard, mut to) = listener();
        let mut relay = Relay::new("node/sub0".into()).unwrap();
        let mut out = File::from(relay.voice().unwrap().stdout);
        out.write_all(b"one\ntw").unwrap();
        relay.pump(0, 7, &mut to);
        assert_eq!(heard.lock().unwrap().drain(..).next(), Some(("node/sub0".into(), 7, "one".into())));
        out.write_all(b"o\n\nthr\xffee").unwrap();
        relay.pump(0, 7, &mut to);
        assert_eq!(texts(&heard), ["two", ""]);
        relay.finish(7, &mut to);
        assert_eq!(texts(&heard), ["thr\u{fffd}ee"]);
        relay.finish(7, &mut to);
        assert_eq!(texts(&heard), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_handed_on_in_pieces() {
        let (heard, mut to) = listener();
        let mut relay = Relay::new("node/sub0".into()).unwrap();
        let mut out = File::from(relay.voice().unwrap().stdout);
        out.write_all(&[b'x'; 40 << 10]).unwrap();
        relay.pump(0, 7, &mut to);
        assert!(relay.spouts[0].partial.len() < LINE);
        relay.finish(7, &mut to);
        let texts = texts(&heard);
        assert!(texts.len() >= 3 && texts.concat() == "x".repeat(40 << 10), "{}", texts.len());
    }

    #[test]
    fn what_a_child_of_the_child_wrote_keeps_its_label() {
        let (heard, mut to) = listener();
        let mut relay = Relay::new("net/worker0".into()).unwrap();
        let mut out = File::from(relay.voice().unwrap().stdout);
        out.write_all(b"[net/worker0/sub1 88] [x] hello\n[net/worker01 88] no\n[net/worker0/sub1 x] no\n")
            .unwrap();
        relay.pump(0, 7, &mut to);
        let heard = heard.lock().unwrap();
        assert_eq!(heard[0], ("net/worker0/sub1".into(), 88, "[x] hello".into()));
        assert_eq!(heard[1], ("net/worker0".into(), 7, "[net/worker01 88] no".into()));
        assert_eq!(heard[2].1, 7);
    }

    #[test]
    fn the_last_words_are_few_and_of_stderr() {
        let (_, mut to) = listener();
        let mut relay = Relay::new("node/sub0".into()).unwrap();
        let voice = relay.voice().unwrap();
        let (mut out, mut err) = (File::from(voice.stdout), File::from(voice.stderr));
        writeln!(out, "not this").unwrap();
        (0..20).for_each(|i| writeln!(err, "line {i}").unwrap());
        writeln!(err, "{}", "y".repeat(9000)).unwrap();
        relay.finish(7, &mut to);
        let words = relay.last_words();
        assert!(words.starts_with("line 15 | line 16") && words.len() < 600, "{words}");
        assert_eq!(relay.last_words(), "");
    }
}
