//! Rust source, split into code and comments, so that a check of the one does not stumble over the other. Both keep
//! the lines of the source; what belongs to neither (the inside of strings) is blank in both.

/// The two halves of a source file.
pub(crate) struct Split {
    /// Comments and the inside of strings are blank.
    pub(crate) code: String,
    /// All but comments is blank.
    pub(crate) comments: String,
}

/// Whether `c` is part of a word: a letter, a digit or `_`.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Clone, Copy)]
enum To {
    Code,
    Comments,
    Neither,
}

struct Splitter {
    chars: Vec<char>,
    at: usize,
    split: Split,
}

/// Splits `text`.
pub(crate) fn split(text: &str) -> Split {
    let split =
        Split { code: String::with_capacity(text.len()), comments: String::with_capacity(text.len()) };
    let mut splitter = Splitter { chars: text.chars().collect(), at: 0, split };
    while splitter.at < splitter.chars.len() {
        splitter.step();
    }
    splitter.split
}

impl Splitter {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Moves `count` characters to one half; the other gets blanks.
    fn take(&mut self, count: usize, to: To) {
        for _ in 0..count {
            let Some(c) = self.peek(0) else { return };
            self.at += 1;
            let blank = if c == '\n' { '\n' } else { ' ' };
            let (code, comment) = match to {
                To::Code => (c, blank),
                To::Comments => (blank, c),
                To::Neither => (blank, blank),
            };
            self.split.code.push(code);
            self.split.comments.push(comment);
        }
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.take(1, To::Comments);
                }
            }
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if !self.inside_word() && self.raw_hashes().is_some() => {
                self.raw_string();
            }
            (Some('\''), next) => self.quote(next),
            _ => self.take(1, To::Code),
        }
    }

    /// Whether the character before belongs to a word; `b` and `c` may be the prefix of a raw string.
    fn inside_word(&self) -> bool {
        let before = |n: usize| self.at.checked_sub(n).map(|i| self.chars[i]);
        match before(1) {
            Some('b' | 'c') => before(2).is_some_and(is_word),
            other => other.is_some_and(is_word),
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.take(2, To::Comments);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.take(2, To::Comments);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.take(1, To::Comments),
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.take(1, To::Code);
        while let Some(c) = self.peek(0) {
            match c {
                '"' => return self.take(1, To::Code),
                '\\' => self.take(2, To::Neither),
                _ => self.take(1, To::Neither),
            }
        }
    }

    /// How many `#` stand between the `r` here and a quote; `None` if no quote follows.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.chars[self.at + 1..].iter().take_while(|&&c| c == '#').count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        self.take(2 + hashes, To::Code);
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|n| self.peek(n) == Some('#')) {
                return self.take(1 + hashes, To::Code);
            }
            self.take(1, To::Neither);
        }
    }

    /// A character, or the start of a lifetime.
    fn quote(&mut self, next: Option<char>) {
        if next == Some('\\') {
            self.take(1, To::Code);
            self.take(2, To::Neither);
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.take(1, To::Neither);
            }
            self.take(1, To::Code);
        } else if self.peek(2) == Some('\'') {
            self.take(1, To::Code);
            self.take(1, To::Neither);
            self.take(1, To::Code);
        } else {
            self.take(1, To::Code);
        }
    }
}

#[test]
fn code_comments_and_strings_are_told_apart() {
    let text = r##"let a = "x // no"; // yes /* y
fn b<'a>(c: &'a u8) -> char { '"' } /* two
lines /* nested */ end */ let d = r#"raw " // z"#; let e = '\''; let r#f = b"\"g"; // last"##;
    let Split { code, comments } = split(text);
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(
        lines(&code),
        [
            "let a = \" \";",
            "fn b<'a>(c: &'a u8) -> char { ' ' }",
            "let d = r#\" \"#; let e = ' '; let r#f = b\" \";",
        ]
    );
    assert_eq!(lines(&comments), ["// yes /* y", "/* two", "lines /* nested */ end */ // last"]);
    assert_eq!(code.chars().count(), text.chars().count());
}
