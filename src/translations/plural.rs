//! The rule by which a language chooses a plural form: the expression of `Plural-Forms` in a catalogue, which is one of C with the
//! single variable `n` (the manual of gettext, "Additional functions for plural forms").

use std::{iter::Peekable, vec::IntoIter};

use crate::fields::ows;

/// The rule of one language.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plural {
    forms: usize,
    /// The expression in the order of its evaluation.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    N,
    Number(u64),
    Not,
    Binary(&'static str),
    /// The three values of `a ? b : c`. All are evaluated, which has no effect but time.
    Choose,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    N,
    Number(u64),
    Sign(&'static str),
}

/// Longer signs stand before those that they begin with.
const SIGNS: [&str; 18] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")"];

/// The signs with two sides, from those that bind least.
const LEVELS: [&[&str]; 6] = [&["||"], &["&&"], &["==", "!="], &["<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

/// A catalogue is written by people: no expression of theirs is deeper.
const DEEPEST: usize = 64;

impl Plural {
    /// The rule of a catalogue that has none: one form for the number one, and another for all others.
    pub(super) fn of_english() -> Self {
        Self { forms: 2, steps: vec![Step::N, Step::Number(1), Step::Binary("!=")] }
    }

    /// The rule that a field `Plural-Forms` has, such as `nplurals=2; plural=(n != 1);`.
    pub(super) fn parse(field: &str) -> Result<Self, String> {
        let part = |name: &str| {
            let of = |part: &str| {
                Some(ows::trim(ows::trim(ows::trim(part).strip_prefix(name)?).strip_prefix('=')?).to_owned())
            };
            field.split(';').find_map(of)
        };
        let forms = part("nplurals").and_then(|forms| forms.parse().ok()).filter(|forms| (1..=16).contains(forms));
        let forms = forms.ok_or("`Plural-Forms` needs `nplurals=` with a number from 1 to 16")?;
        let text = part("plural").ok_or("`Plural-Forms` needs `plural=` with an expression")?;
        let mut reader = Reader { tokens: tokens(&text)?.into_iter().peekable(), steps: Vec::new(), depth: 0 };
        reader.choice()?;
        match reader.tokens.next() {
            None => Ok(Self { forms, steps: reader.steps }),
            Some(_) => Err(format!("the expression `{text}` of `Plural-Forms` can't be read to its end")),
        }
    }

    pub(super) fn forms(&self) -> usize {
        self.forms
    }

    /// The form for a number. A rule that gives a form that it does not have means the last one.
    pub(super) fn form(&self, n: u64) -> usize {
        let mut values: Vec<u64> = Vec::new();
        let pop = |values: &mut Vec<u64>| values.pop().unwrap_or_default();
        for step in &self.steps {
            let value = match step {
                Step::N => n,
                Step::Number(number) => *number,
                Step::Not => u64::from(pop(&mut values) == 0),
                Step::Binary(sign) => {
                    let right = pop(&mut values);
                    apply(sign, pop(&mut values), right)
                }
                Step::Choose => {
                    let (no, yes) = (pop(&mut values), pop(&mut values));
                    if pop(&mut values) == 0 { no } else { yes }
                }
            };
            values.push(value);
        }
        usize::try_from(pop(&mut values)).unwrap_or(usize::MAX).min(self.forms - 1)
    }
}

fn apply(sign: &str, left: u64, right: u64) -> u64 {
    match sign {
        "||" => u64::from(left != 0 || right != 0),
        "&&" => u64::from(left != 0 && right != 0),
        "==" => u64::from(left == right),
        "!=" => u64::from(left != right),
        "<=" => u64::from(left <= right),
        ">=" => u64::from(left >= right),
        "<" => u64::from(left < right),
        ">" => u64::from(left > right),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right).unwrap_or_default(),
        _ => left.checked_rem(right).unwrap_or_default(),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut rest) = (Vec::new(), ows::trim(text));
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (token, length) = if first == 'n' {
            (Token::N, 1)
        } else if digits > 0 {
            (Token::Number(rest[..digits].parse().map_err(|_| format!("`{}` is too large", &rest[..digits]))?), digits)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            return Err(format!("`{first}` has no meaning in the expression `{text}` of `Plural-Forms`"));
        };
        tokens.push(token);
        rest = ows::trim(&rest[length..]);
    }
    Ok(tokens)
}

struct Reader {
    tokens: Peekable<IntoIter<Token>>,
    steps: Vec<Step>,
    depth: usize,
}

impl Reader {
    fn choice(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the expression of `Plural-Forms` is too deep".into());
        }
        self.binary(0)?;
        if self.takes("?") {
            self.choice()?;
            self.expect(":")?;
            self.choice()?;
            self.steps.push(Step::Choose);
        }
        self.depth -= 1;
        Ok(())
    }

    /// All operations of a level, from left to right.
    fn binary(&mut self, level: usize) -> Result<(), String> {
        let Some(signs) = LEVELS.get(level) else { return self.value() };
        self.binary(level + 1)?;
        while let Some(sign) = signs.iter().find(|sign| self.takes(sign)) {
            self.binary(level + 1)?;
            self.steps.push(Step::Binary(sign));
        }
        Ok(())
    }

    fn value(&mut self) -> Result<(), String> {
        let mut negations = 0;
        while self.takes("!") {
            negations += 1;
        }
        match self.tokens.next() {
            Some(Token::N) => self.steps.push(Step::N),
            Some(Token::Number(number)) => self.steps.push(Step::Number(number)),
            Some(Token::Sign("(")) => {
                self.choice()?;
                self.expect(")")?;
            }
            _ => return Err("the expression of `Plural-Forms` lacks a value".into()),
        }
        self.steps.extend(std::iter::repeat_n(Step::Not, negations));
        Ok(())
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Sign(there) if *there == sign)).is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("the expression of `Plural-Forms` lacks `{sign}`")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules as gettext's manual lists them ("Additional functions for plural forms"), and for Arabic as translators use it.
    #[test]
    fn each_language_has_its_plural_forms() {
        let numbers = [0, 1, 2, 3, 4, 5, 10, 11, 12, 20, 21, 22, 25, 100, 101, 102, 111, 1000];
        for (language, field, expected) in [
            ("en", "nplurals=2; plural=n != 1;", [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            ("de", "nplurals=2; plural=(n != 1);", [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            ("fr", "nplurals = 2; plural = n>1;", [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            (
                "ru",
                "nplurals=3; plural=n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2;",
                [2, 0, 1, 1, 1, 2, 2, 2, 2, 2, 0, 1, 2, 2, 0, 1, 2, 2],
            ),
            (
                "pl",
                "nplurals=3; plural=n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2;",
                [2, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 1, 2, 2],
            ),
            (
                "ar",
                "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;",
                [0, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 4, 5],
            ),
            ("ja", "nplurals=1; plural=0;", [0; 18]),
        ] {
            let rule = Plural::parse(field).unwrap();
            assert_eq!(numbers.map(|n| rule.form(n)), expected, "{language}");
        }
    }

    #[test]
    fn signs_bind_as_in_c() {
        for (expression, n, expected) in [
            ("1 + 2 * 3", 0, 7),
            ("(1 + 2) * 3", 0, 9),
            ("9 - 4 - 3", 0, 2),
            ("1 || 0 && 0", 0, 1),
            ("!n", 0, 1),
            ("!!n", 7, 1),
            ("!n == 1", 0, 1),
            ("n ? 1 : n ? 2 : 3", 0, 3),
            ("n ? 0 ? 4 : 5 : 6", 1, 5),
            ("n / 0 + n % 0", 9, 0),
        ] {
            let rule = Plural::parse(&format!("nplurals=16; plural={expression}")).unwrap();
            assert_eq!(rule.form(n), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_rule_is_an_error_and_no_panic() {
        let deep = format!("nplurals=2; plural={}", "(".repeat(100_000));
        for field in [
            "",
            "nplurals=2",
            "plural=n",
            "nplurals=0; plural=n",
            "nplurals=99; plural=n",
            "nplurals=2; plural=",
            "nplurals=2; plural=n +",
            "nplurals=2; plural=(n",
            "nplurals=2; plural=n)",
            "nplurals=2; plural=n ? 1",
            "nplurals=2; plural=m",
            "nplurals=2; plural=é",
            "nplurals=2; plural=99999999999999999999999",
            &deep,
        ] {
            Plural::parse(field).expect_err(field.get(..40).unwrap_or(field));
        }
        assert_eq!(Plural::parse("nplurals=2; plural=n-1").unwrap().form(0), 1, "the last form there is");
    }
}
