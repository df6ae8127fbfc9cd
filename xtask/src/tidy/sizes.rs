//! Sizes: a file that nobody reads to its end and a function that fits no screen are violations.

use super::Violation;
use super::masked::{Masked, is_word};

const FILE_LINES_MAX: usize = 1000;
/// From here on a file is noted: it is a candidate for being divided.
const FILE_LINES_NOTED: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;

/// Functions that may be longer: path, name, reason.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// A note on a file that is large but not too large.
pub fn note(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > FILE_LINES_NOTED && lines <= FILE_LINES_MAX).then(|| format!("{path} has {lines} lines"))
}

/// Checks a file and its functions.
pub fn check(path: &str, text: &str, masked: &Masked) -> Vec<Violation> {
    let violation = |line, what| Violation { path: path.to_owned(), line, what };
    let mut violations = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        violations.push(violation(lines, format!("the file has {lines} lines, more than {FILE_LINES_MAX}")));
    }
    for function in functions(masked.as_str()) {
        let allowed = LONG_FUNCTIONS.iter().any(|(file, name, _)| *file == path && *name == function.name);
        if function.lines > FUNCTION_LINES_MAX && !allowed {
            let what = format!("fn {} has {} lines, more than {FUNCTION_LINES_MAX}", function.name, function.lines);
            violations.push(violation(function.line, what));
        }
    }
    violations
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    /// Where `fn` stands, counted from 1.
    line: usize,
    /// From there to its closing brace.
    lines: usize,
}

/// All functions with a body.
fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut functions = Vec::new();
    let mut line = 1;
    for at in 0..bytes.len() {
        if bytes[at] == b'\n' {
            line += 1;
        }
        let word_before = at > 0 && is_word(bytes[at - 1]);
        if word_before || !bytes[at..].starts_with(b"fn ") {
            continue;
        }
        let name: String =
            code[at + 3..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let Some(length) = body_end(&bytes[at..])
            && !name.is_empty()
        {
            let lines = 1 + bytes[at..at + length].iter().filter(|&&byte| byte == b'\n').count();
            functions.push(Function { name, line, lines });
        }
    }
    functions
}

/// Where the body of the function that begins here ends; None if it has none.
fn body_end(code: &[u8]) -> Option<usize> {
    let mut braces = 0;
    let mut parentheses = 0;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' => parentheses += 1,
            b')' | b']' => parentheses -= 1,
            b';' if braces == 0 && parentheses == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 && parentheses == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_their_head_to_their_brace() {
        let code = "trait T { fn none(&self); }\nimpl T {\n  fn two(a: [u8; 4])\n  -> u8 { match 1 { _ => {} } }\n}\n";
        assert_eq!(functions(code), [Function { name: "two".to_owned(), line: 3, lines: 2 }]);
    }

    #[test]
    fn a_long_function_and_a_long_file_are_violations() {
        let function = format!("//! x\nfn long() {{\n{}}}\n", "    step();\n".repeat(100));
        let found = check("a.rs", &function, &Masked::new(&function));
        assert_eq!(found[0].to_string(), "a.rs:2: fn long has 102 lines, more than 100");
        let file = "//! x\n".repeat(1001);
        assert_eq!(check("a.rs", &file, &Masked::new(&file)).len(), 1);
        assert_eq!(note("a.rs", &"//! x\n".repeat(601)), Some("a.rs has 601 lines".to_owned()));
    }
}
