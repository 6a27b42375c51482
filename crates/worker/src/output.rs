//! What children write: line by line, with the place of the child in the tree.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use prewire_os::process::{self, Standard};

/// Which stream a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error: panics and, where the program logs there, events.
    Stderr,
}

/// A line that a child wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The child's place in the tree, such as `node/chip1`.
    pub worker: &'a str,
    /// Its process.
    pub pid: u32,
    /// Where it wrote.
    pub stream: Stream,
    /// What, without the end of the line. Bytes that are not UTF-8 are replaced.
    pub text: &'a str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} {}] {}", self.worker, self.pid, self.text)
    }
}

type Sink = dyn Fn(&Line<'_>) + Send + Sync;

/// Where lines of children go.
///
/// ```
/// use prewire_worker::{Output, Worker};
///
/// let tree = Worker::node().subs(1).output(Output::sink(|line| eprintln!("{line}")));
/// ```
#[derive(Clone, Default)]
pub struct Output(Option<Arc<Sink>>);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Output::sink" } else { "Output::labelled" })
    }
}

impl Output {
    /// To the same stream of this process, each line labelled with the worker and its process. The default.
    #[must_use]
    pub fn labelled() -> Self {
        Self::default()
    }

    /// To `sink`, which is called line by line on a thread of its own; it must not close the worker. It gets the lines of
    /// children of children too, labelled by them. While it waits, children go on until their pipes are full, and everything
    /// else goes on as ever. What it has not taken by the [close limit](crate::Builder::close_limit) is not waited for.
    #[must_use]
    pub fn sink(sink: impl Fn(&Line<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sink)))
    }

    /// This one, or if nothing was said `above`.
    pub(crate) fn or(&self, above: &Self) -> Self {
        if self.0.is_some() { self.clone() } else { above.clone() }
    }

    /// Hands a line on. A sink that panics is no reason to stop; nor is a stream that nobody reads any more.
    ///
    /// # Errors
    ///
    /// The stream of this process does not take it, for another reason than that: the line is lost.
    pub(crate) fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let to = match (&self.0, line.stream) {
            (Some(sink), _) => {
                prewire_runs::contained(|| sink(line));
                return Ok(());
            }
            (None, Stream::Stdout) => Standard::Output,
            (None, Stream::Stderr) => Standard::Error,
        };
        match process::print(to, &format!("{line}\n")) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Says something on standard error, if anybody reads that.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{what}");
}
