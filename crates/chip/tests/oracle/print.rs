//! Prints a program as the body of a Rust test. Invariant: what is printed compiles as a module of the oracle and does
//! what the program does, call by call.

use std::fmt::Write;

use prewire_chip::EdgeKind;

use crate::oracle::drive::Setting;
use crate::oracle::lower::Lowered;
use crate::oracle::program::{Arg, Cores, External, Kind, Op, Step, Task, Use, View};

/// The source of a module with a test that runs the program.
pub(crate) fn print(lowered: &Lowered, setting: &Setting) -> String {
    let mut printer = Printer { text: String::new(), depth: 2, names: Vec::new(), externals: 0 };
    // Writing to a string does not fail.
    let _ = printer.module(lowered, setting);
    printer.text
}

struct Printer {
    text: String,
    depth: usize,
    /// What each tensor is called.
    names: Vec<String>,
    externals: usize,
}

impl Printer {
    fn line(&mut self, line: &str) -> std::fmt::Result {
        writeln!(self.text, "{:1$}{line}", "", 4 * self.depth)
    }

    fn module(&mut self, lowered: &Lowered, setting: &Setting) -> std::fmt::Result {
        let Lowered { program, world, .. } = lowered;
        self.text.push_str(
            "//! A program as the oracle prints it: what it does, call by call, and what comes of it.\n\n\
             #![allow(unused_imports, unused_variables)]\n\n\
             use std::collections::BTreeMap;\n\n\
             use prewire_chip::{Chip, DataType, EdgeKind, Hazards, PredicateOp, Result, RingSizes};\n\n\
             use crate::oracle::kernels::Kit;\n\n\
             #[test]\n\
             fn a_program_gives_the_memory_of_running_it_one_by_one() -> Result<()> {\n",
        );
        self.depth = 1;
        let spec = if setting.a5 { "prewire_a5::a5()" } else { "prewire_a2a3::a2a3()" };
        self.line(&format!("let sizes = {:?};", setting.sizes))?;
        self.line(&format!(
            "let chip = Chip::sim({spec}).clusters({}).domains({}).threads({})",
            setting.clusters, setting.domains, setting.threads
        ))?;
        let seed = setting.seed.map_or(String::new(), |seed| format!(".seed({seed})"));
        self.line(&format!("    .rings(sizes).hazards(Hazards::{:?}){seed};", program.hazards))?;
        self.line("let (chip, kit) = Kit::on(chip)?;")?;
        self.externals = program.externals.len();
        for (i, External { kind, shape, data }) in program.externals.iter().enumerate() {
            let kind = kind.rust();
            self.line(&format!("let b{i} = chip.tensor::<{kind}>(&{data:?}, &{shape:?})?;"))?;
            self.names.push(format!("b{i}"));
        }
        self.line("let mut t = BTreeMap::new();")?;
        self.line("let run = chip.run(|orch| {")?;
        self.depth = 2;
        for op in &program.ops {
            self.op(op)?;
        }
        self.line("Ok(())")?;
        self.depth = 1;
        self.line("});")?;
        let failing: Vec<usize> = (0..world.fates.len()).filter(|&task| world.fates[task].bad).collect();
        if failing.is_empty() {
            self.line("run?;")?;
        } else {
            self.line(&format!("// These fail, or do not run because of one that fails: {failing:?}."))?;
            self.line("assert!(run.is_err());")?;
        }
        for (i, External { kind, .. }) in program.externals.iter().enumerate() {
            let data: Vec<i64> = world.memory[i].data.iter().map(|value| value.unwrap_or_default()).collect();
            let or: Vec<_> =
                world.or.range((i, 0)..(i + 1, 0)).map(|((_, place), old)| (place, old)).collect();
            let checked = if or.is_empty() { "" } else { "// " };
            if !or.is_empty() {
                self.line(&format!("// Elements of b{i} that may also be what they were: {or:?}."))?;
            }
            self.line(&format!("{checked}assert_eq!(chip.read::<{}>(&b{i})?, {data:?});", kind.rust()))?;
        }
        self.line("Ok(())")?;
        self.text.push_str("}\n");
        Ok(())
    }

    fn op(&mut self, op: &Op) -> std::fmt::Result {
        match op {
            Op::Task(task) => self.task(task),
            Op::Alloc { span } => {
                let name = format!("m{}", self.names.len());
                let dtype = span.kind.dtype();
                self.line(&format!("let {name} = orch.alloc(&{:?}, DataType::{dtype:?})?;", span.shape))?;
                self.names.push(name);
                Ok(())
            }
            Op::Open { manual } => {
                let call = if *manual { "manual_scope" } else { "scope" };
                self.line(&format!("orch.{call}(|orch| {{"))?;
                self.depth += 1;
                Ok(())
            }
            Op::Close => {
                self.line("Ok(())")?;
                self.depth -= 1;
                self.line("})?;")
            }
            Op::Read { view, index, value } => {
                let call =
                    format!("orch.read::<{}>(&{}, &{index:?})", view.span.kind.rust(), self.view(view));
                match value {
                    Some(value) => self.line(&format!("assert_eq!({call}?, {value});")),
                    None => self.line(&format!("assert!({call}.is_err());")),
                }
            }
            Op::Write { view, index, value, lands } => {
                let value = literal(*value, view.span.kind);
                let call = format!("orch.write(&{}, &{index:?}, {value})", self.view(view));
                match lands {
                    true => self.line(&format!("{call}?;")),
                    false => self.line(&format!("assert!({call}.is_err());")),
                }
            }
        }
    }

    fn view(&self, view: &View) -> String {
        let mut text = self.names[view.span.tensor].clone();
        for step in &view.steps {
            let step = match step {
                Step::View { offsets, shape } => format!(".view(&{offsets:?}, &{shape:?})?"),
                Step::Transpose(a, b) => format!(".transpose({a}, {b})?"),
                Step::Reshape(shape) => format!(".reshape(&{shape:?})?"),
            };
            text.push_str(&step);
        }
        text
    }

    fn task(&mut self, task: &Task) -> std::fmt::Result {
        let submit = match task.cores {
            Cores::Dummy => "orch.dummy()".to_owned(),
            Cores::Aic => "orch.submit(&kit.aic)".to_owned(),
            Cores::Aiv => "orch.submit(&kit.aiv)".to_owned(),
            Cores::Mix(bits) => format!("orch.submit(kit.mixes[{bits}].as_ref().unwrap())"),
        };
        let mut text = format!("t.insert({}, {submit}", task.number);
        let mut made = Vec::new();
        for arg in &task.args {
            match arg {
                Arg::Create { span } => {
                    write!(text, ".output(&{:?}, DataType::{:?})", span.shape, span.kind.dtype())?;
                    made.push(span.tensor);
                }
                Arg::Existing { how, view } => {
                    let call = match how {
                        Use::Input => "input",
                        Use::InOut => "inout",
                        Use::Into => "output_into",
                        Use::Peek | Use::Poke => "no_dep",
                    };
                    write!(text, ".{call}(&{})", self.view(view))?;
                }
            }
        }
        for (producer, kind) in &task.after {
            match *kind {
                EdgeKind::BOTH => write!(text, ".after(&t[&{producer}])")?,
                EdgeKind::WAIT => write!(text, ".after_kind(&t[&{producer}], EdgeKind::WAIT)")?,
                _ => write!(text, ".after_kind(&t[&{producer}], EdgeKind::RETAIN)")?,
            }
        }
        if let Some(p) = &task.predicate {
            let view = self.view(&p.view);
            write!(text, ".predicate(&{view}, &{:?}, PredicateOp::{:?}, {})", p.index, p.op, p.target)?;
        }
        if task.blocks > 1 {
            write!(text, ".blocks({})", task.blocks)?;
        }
        if task.sync_start {
            text.push_str(".sync_start()");
        }
        // The number, what the arguments are, and how it fails: see the kernels.
        let (plan, fault) = (task.plan(), task.fault_word());
        write!(text, ".scalar({}u64).scalar({plan:#x}u64).scalar({fault}u64).go()?);", task.number)?;
        self.line(&text)?;
        for (i, tensor) in made.into_iter().enumerate() {
            debug_assert_eq!(tensor, self.names.len());
            let name = format!("m{tensor}");
            self.line(&format!("let {name} = t[&{}].output({i})?;", task.number))?;
            self.names.push(name);
        }
        Ok(())
    }
}

fn literal(value: i64, kind: Kind) -> String {
    format!("{value}{}", kind.rust())
}
