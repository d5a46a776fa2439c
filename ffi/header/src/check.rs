//! What the header must satisfy: each function says how it may be called, the symbols are the
//! allowed ones, and the committed text is the generated one.
//!
//! Pure: text in, faults out.

use std::collections::BTreeSet;

/// Lines that end every function's comment, in this order.
const FIXED_LINES: [&str; 4] = ["Threads: ", "Blocks: ", "In callbacks: ", "Ownership: "];

/// The marker in front of every prototype; of a long one it has a line to itself.
const MARKER: &str = "LANEWAY_API";

/// The names of all functions of `header`, or what is wrong with their comments.
pub(crate) fn functions(header: &str) -> Result<BTreeSet<String>, Vec<String>> {
    let mut names = BTreeSet::new();
    let mut faults = Vec::new();
    let mut comment = String::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("/**") {
            comment.clear();
        }
        if let Some(prototype) = line.strip_prefix(MARKER) {
            let name = name_of(if prototype.is_empty() {
                lines.next().unwrap_or_default()
            } else {
                prototype
            });
            faults.extend(missing(&comment).map(|fixed| format!("{name}: no line \"{fixed}\"")));
            names.insert(name.to_owned());
            comment.clear();
        } else {
            comment.push_str(line.trim_start_matches([' ', '*']));
            comment.push('\n');
        }
    }
    if names.is_empty() {
        faults.push("the header has no functions".to_owned());
    }
    if faults.is_empty() { Ok(names) } else { Err(faults) }
}

fn name_of(prototype: &str) -> &str {
    let head = prototype.split('(').next().unwrap_or(prototype);
    head.rsplit([' ', '*']).next().unwrap_or(head)
}

fn missing(comment: &str) -> impl Iterator<Item = &'static str> {
    FIXED_LINES.into_iter().filter(|fixed| !comment.lines().any(|line| line.starts_with(fixed)))
}

/// Compares the functions with the allow-list, one name a line.
pub(crate) fn symbols(functions: &BTreeSet<String>, list: &str) -> Result<(), Vec<String>> {
    let allowed: BTreeSet<String> = list.lines().map(str::to_owned).collect();
    let added =
        functions.difference(&allowed).map(|name| format!("{name}: not in the symbol list"));
    let lost = allowed.difference(functions).map(|name| format!("{name}: listed, not declared"));
    let faults: Vec<String> = added.chain(lost).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Compares the committed header with the generated one and names the first difference.
pub(crate) fn same(committed: &str, generated: &str) -> Result<(), Vec<String>> {
    if committed == generated {
        return Ok(());
    }
    let shared = committed.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(shared).unwrap_or("(end)").to_owned();
    Err(vec![
        format!("the committed header differs from line {}; run ffi/generate.sh", shared + 1),
        format!("committed: {}", line(committed)),
        format!("generated: {}", line(generated)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "/**\n * Says hello.\n * Threads: any.\n * Blocks: no.\n \
                        * In callbacks: yes.\n * Ownership: none.\n */\n\
                        LANEWAY_API const char *laneway_hello(int32_t code);\n";

    #[test]
    fn a_documented_function_is_found_by_name() {
        let names = functions(GOOD).expect("all four lines are there");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["laneway_hello"]);
    }

    #[test]
    fn a_prototype_may_begin_below_its_marker() {
        let long = GOOD.replace("LANEWAY_API ", "LANEWAY_API\n");
        assert_eq!(functions(&long), functions(GOOD));
    }

    #[test]
    fn a_missing_line_is_named() {
        let faults = functions(&GOOD.replace(" * Blocks: no.\n", "")).expect_err("one is gone");
        assert_eq!(faults, ["laneway_hello: no line \"Blocks: \""]);
    }

    #[test]
    fn the_comment_of_one_function_does_not_serve_the_next() {
        let two = format!("{GOOD}LANEWAY_API void laneway_bare(void);\n");
        assert_eq!(functions(&two).expect_err("the second has no comment").len(), 4);
    }

    #[test]
    fn an_empty_header_is_a_fault() {
        assert!(functions("#ifndef LANEWAY_H\n#endif\n").is_err());
    }

    #[test]
    fn symbols_are_compared_both_ways() {
        let names = functions(GOOD).expect("documented");
        assert_eq!(symbols(&names, "laneway_hello\n"), Ok(()));
        assert_eq!(symbols(&names, "laneway_gone\n").expect_err("one each way").len(), 2);
    }

    #[test]
    fn the_first_difference_is_named() {
        let faults = same("a\nb\n", "a\nc\n").expect_err("they differ");
        assert_eq!(faults[1..], ["committed: b", "generated: c"]);
    }
}
