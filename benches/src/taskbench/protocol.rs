//! How a program that runs Task Bench is asked and answers, whatever it is written in: `key=value` words on its command
//! line, and a line of `iterations tasks seconds` for each size.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::graph::Graph;
use super::kernel::Kernel;
use super::on_chip::Fault;
use super::pattern::Pattern;

/// One size of a graph and its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Iterations of the kernel.
    pub iterations: u64,
    /// Timesteps.
    pub steps: u32,
}

/// Before each size is measured, a graph of at most so many timesteps is run.
const WARM: u32 = 200;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The pattern.
    pub pattern: Pattern,
    /// Points of a timestep.
    pub width: u32,
    /// Slots of a point.
    pub fields: u32,
    /// Threads that run tasks.
    pub workers: u16,
    /// The kernel.
    pub kernel: Kernel,
    /// The sizes, one after the other.
    pub sizes: Vec<Size>,
    /// What is to be wrong.
    pub fault: Fault,
}

/// What came out for one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Iterations of the kernel.
    pub iterations: u64,
    /// How many tasks ran.
    pub tasks: u64,
    /// How long they took together, from the first submit to the end of the last.
    pub seconds: f64,
}

impl Asked {
    /// Runs each size with `run`: once to warm up, once measured.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    pub fn measure<E>(
        &self,
        mut run: impl FnMut(&Graph, u64) -> Result<Duration, E>,
    ) -> Result<Vec<Measured>, E> {
        let mut all = Vec::with_capacity(self.sizes.len());
        for size in &self.sizes {
            run(&Graph::new(self.pattern, self.width, size.steps.min(WARM)), size.iterations)?;
            let graph = Graph::new(self.pattern, self.width, size.steps);
            let seconds = run(&graph, size.iterations)?.as_secs_f64();
            all.push(Measured { iterations: size.iterations, tasks: graph.tasks(), seconds });
        }
        Ok(all)
    }

    /// From the words of a command line.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut asked = Self {
            pattern: Pattern::Trivial,
            width: 16,
            fields: 2,
            workers: 2,
            kernel: Kernel::Empty,
            sizes: Vec::new(),
            fault: Fault::None,
        };
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is not key=value"))?;
            match key {
                "pattern" => asked.pattern = value.parse()?,
                "width" => asked.width = number(word, value, 1, 1 << 20)?,
                "fields" => asked.fields = number(word, value, 2, 1 << 20)?,
                "workers" => asked.workers = number(word, value, 1, 1 << 10)? as u16,
                "kernel" => asked.kernel = value.parse()?,
                "sizes" => asked.sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "omit" => {
                    let (timestep, point) = value.split_once(':').ok_or("omit is timestep:point")?;
                    let timestep = number(word, timestep, 1, 1 << 20)?;
                    asked.fault = Fault::LeftOut { timestep, point: number(word, point, 0, 1 << 20)? };
                }
                _ => return Err(format!("there is no key {key:?}")),
            }
        }
        if asked.sizes.is_empty() { Err("no sizes=ITERATIONSxSTEPS".into()) } else { Ok(asked) }
    }
}

fn number(word: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{word:?} is not a number from {least} to {most}"))
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('x').and_then(|(i, s)| Some((i.parse().ok()?, s)));
        let (iterations, steps) = parts.ok_or_else(|| format!("{text:?} is not ITERATIONSxSTEPS"))?;
        Ok(Self { iterations, steps: number(text, steps, 1, 1 << 20)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.iterations, self.steps)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:.9}", self.iterations, self.tasks, self.seconds)
    }
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let parse = || {
            let [iterations, tasks, seconds] = words[..] else { return None };
            Some(Self {
                iterations: iterations.parse().ok()?,
                tasks: tasks.parse().ok()?,
                seconds: seconds.parse().ok()?,
            })
        };
        parse().ok_or_else(|| format!("{line:?} is not iterations, tasks and seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_understood_or_said_to_be_wrong() {
        let asked = Asked::parse(["pattern=fft", "width=8", "kernel=compute", "sizes=0x10,64x5", "omit=3:1"]);
        let asked = asked.unwrap();
        assert_eq!((asked.pattern, asked.width, asked.kernel), (Pattern::Fft, 8, Kernel::Compute));
        assert_eq!(asked.sizes, [Size { iterations: 0, steps: 10 }, Size { iterations: 64, steps: 5 }]);
        assert_eq!(asked.fault, Fault::LeftOut { timestep: 3, point: 1 });
        for (wrong, why) in [
            ("sizes", "not key=value"),
            ("sizes=5", "not ITERATIONSxSTEPS"),
            ("sizes=1x0", "not a number from 1"),
            ("pattern=star", "there is no pattern \"star\"; there are trivial"),
            ("kernel=star", "there is no kernel \"star\"; there are empty"),
            ("fields=1", "not a number from 2"),
            ("colour=red", "no key \"colour\""),
            ("width=16", "no sizes"),
        ] {
            let error = Asked::parse([wrong]).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_answer_reads_as_it_was_written() {
        let measured = Measured { iterations: 64, tasks: 1 << 20, seconds: 0.125 };
        assert_eq!(measured.to_string().parse(), Ok(measured));
        assert!("64 3".parse::<Measured>().is_err());
    }
}
