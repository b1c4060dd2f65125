//! Paths to values: what can be written, and what may be asked for.

use serde_json::Number;

/// Longest path, in bytes, and most steps in one.
const LONGEST: usize = 256;
const MOST_STEPS: usize = 16;

/// Letters that end the name of a field where they are not escaped.
const SPECIAL: &str = ".[](){}'\"?@$*,:=<>!&|\\";

/// A path to one value of an object, below `.status`, `.spec`, or one of `.metadata.labels`, `.metadata.annotations`,
/// `.metadata.generation` and `.metadata.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub(super) Box<[Step]>);

/// From a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The field of this name.
    Key(Box<str>),
    /// The element at this place, counted from 0.
    Index(usize),
    /// The first element in which this path leads to a scalar that equals another.
    Where(Box<[Self]>, Scalar),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(Box<str>),
    Number(Number),
    Bool(bool),
}

/// Why a path is none. Messages do not repeat it: it stands where the reader wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is too long.
    #[error("unable to read the path: it is longer than {LONGEST} bytes")]
    TooLong,
    /// It has too many steps.
    #[error("unable to read the path: it has more than {MOST_STEPS} steps")]
    TooDeep,
    /// Something else stands where a part of a path should.
    #[error("unable to read the path: at byte {at}: wanted {wanted}")]
    Malformed {
        /// Where, counted from 0.
        at: usize,
        /// What should be there.
        wanted: &'static str,
    },
    /// It leads where nobody may look.
    #[error(
        "unable to allow the path: write one below .status, .spec, .metadata.labels, .metadata.annotations, .metadata.generation or .metadata.name"
    )]
    OutOfBounds,
}

/// Reads a path.
///
/// # Errors
/// Where it is no path of the kind that this module reads, or leads to what may not be read.
pub fn parse(path: &str) -> Result<Path, PathError> {
    if path.len() > LONGEST {
        return Err(PathError::TooLong);
    }
    let mut reader = Reader { text: path, at: 0 };
    let braces = reader.takes('{');
    reader.takes('$');
    let steps = reader.steps(true)?;
    let more = "'.' or '[' and more of the path";
    if steps.is_empty() {
        return Err(reader.wanted(more));
    }
    if braces {
        reader.wants('}', "'}', or '.' or '[' and more of the path")?;
    }
    if reader.peek().is_some() {
        return Err(reader.wanted(if braces { "nothing after '}'" } else { more }));
    }
    let below =
        |step: Option<&Step>, names: &[&str]| matches!(step, Some(Step::Key(key)) if names.contains(&&**key));
    let open = below(steps.first(), &["status", "spec"]);
    let metadata = below(steps.first(), &["metadata"])
        && below(steps.get(1), &["labels", "annotations", "generation", "name"]);
    if open || metadata { Ok(Path(steps.into())) } else { Err(PathError::OutOfBounds) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

// === impl Reader ===

impl Reader<'_> {
    /// All steps up to what is none. A filter has no filters inside.
    fn steps(&mut self, filters: bool) -> Result<Vec<Step>, PathError> {
        let mut steps = Vec::new();
        loop {
            let step = match self.peek() {
                Some('.') => {
                    self.next();
                    Step::Key(self.name()?)
                }
                Some('[') => {
                    self.next();
                    let step = self.bracketed(filters)?;
                    self.wants(']', "']'")?;
                    step
                }
                _ => return Ok(steps),
            };
            if steps.len() == MOST_STEPS {
                return Err(PathError::TooDeep);
            }
            steps.push(step);
        }
    }

    fn name(&mut self) -> Result<Box<str>, PathError> {
        let mut name = String::new();
        loop {
            match self.peek() {
                Some('\\') => {
                    self.next();
                    name.push(self.next().ok_or_else(|| self.wanted("the letter that '\\' is before"))?);
                }
                Some(letter)
                    if !SPECIAL.contains(letter) && !letter.is_whitespace() && !letter.is_control() =>
                {
                    self.next();
                    name.push(letter);
                }
                _ if name.is_empty() => return Err(self.wanted("the name of a field")),
                _ => return Ok(name.into()),
            }
        }
    }

    fn bracketed(&mut self, filters: bool) -> Result<Step, PathError> {
        match self.peek() {
            Some('\'' | '"') => Ok(Step::Key(self.quoted()?)),
            Some('0'..='9') => {
                let digits = self.while_in("0123456789");
                digits.parse().map(Step::Index).map_err(|_| self.wanted("a smaller number before this"))
            }
            Some('?') if filters => {
                self.next();
                self.wants('(', "'('")?;
                self.spaces();
                self.wants('@', "'@'")?;
                let path = self.steps(false)?;
                self.spaces();
                self.wants('=', "\"==\"")?;
                self.wants('=', "\"==\"")?;
                self.spaces();
                let scalar = self.scalar()?;
                self.spaces();
                self.wants(')', "')'")?;
                Ok(Step::Where(path.into(), scalar))
            }
            _ if filters => Err(self.wanted("a number, a key in quotes, or a filter")),
            _ => Err(self.wanted("a number, or a key in quotes")),
        }
    }

    fn scalar(&mut self) -> Result<Scalar, PathError> {
        if matches!(self.peek(), Some('\'' | '"')) {
            return self.quoted().map(Scalar::Text);
        }
        let wanted = self.wanted("a text in quotes, a number, true or false");
        match self.while_in("+-.0123456789abcdefghijklmnopqrstuvwxyzE") {
            "true" => Ok(Scalar::Bool(true)),
            "false" => Ok(Scalar::Bool(false)),
            number => serde_json::from_str(number).map(Scalar::Number).map_err(|_| wanted),
        }
    }

    fn quoted(&mut self) -> Result<Box<str>, PathError> {
        let quote = self.next();
        let mut text = String::new();
        loop {
            let letter = self.next();
            match letter {
                None => return Err(self.wanted("the end of a text in quotes")),
                _ if letter == quote => return Ok(text.into()),
                Some('\\') => text.extend(self.next()),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn while_in(&mut self, letters: &str) -> &str {
        let start = self.at;
        while self.peek().is_some_and(|letter| letters.contains(letter)) {
            self.next();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn spaces(&mut self) {
        while self.takes(' ') {}
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn takes(&mut self, letter: char) -> bool {
        let there = self.peek() == Some(letter);
        if there {
            self.next();
        }
        there
    }

    fn wants(&mut self, letter: char, wanted: &'static str) -> Result<(), PathError> {
        if self.takes(letter) { Ok(()) } else { Err(self.wanted(wanted)) }
    }

    fn wanted(&self, wanted: &'static str) -> PathError {
        PathError::Malformed { at: self.at, wanted }
    }
}
