//! What a job file may say, and how it is refused.

use super::*;

fn parse(text: &str) -> Result<Vec<JobSpec>, JobFileError> {
    read("jobs", &mut text.as_bytes())
}

fn refusal(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn a_job_needs_only_a_key_and_a_command() {
    let jobs =
        parse("\n{\"key\":\"k\",\"run\":\"true\"}\n\n{\"key\":\"\",\"run\":[\"true\"]}").unwrap();
    assert_eq!(jobs[0].id, "2");
    assert_eq!(jobs[0].run, Script::Shell("true".into()));
    assert_eq!((jobs[0].retries, jobs[0].timeout, jobs[0].on_fail), (0, None, OnFail::Continue));
    assert_eq!((jobs[1].line, jobs[1].key.as_str()), (4, ""));
    assert_eq!(jobs[1].run, Script::Argv(vec!["true".into()]));
}

#[test]
fn every_field_is_read_and_the_canonical_form_reads_back() {
    let line = r#"{"id":"a","key":"k","run":["echo","x"],"undo":"rm x","retries":3,"backoff_ms":20,
        "timeout_ms":5,"env":{"B":"2","A":"1"},"cwd":"/tmp","on_fail":"fail-rest"}"#
        .replace('\n', "");
    let jobs = parse(&line).unwrap();
    assert_eq!(jobs[0].timeout, Some(Duration::from_millis(5)));
    assert_eq!(jobs[0].backoff, Duration::from_millis(20));
    assert_eq!(jobs[0].env.len(), 2);
    assert_eq!(jobs[0].on_fail, OnFail::FailRest);
    assert_eq!(parse(&jobs[0].line_text()).unwrap(), jobs);
}

#[test]
fn a_refusal_names_the_file_the_line_and_the_field() {
    let table = [
        (r#"{"key":"k","run":"x","retry":1}"#, "jobs:1: field \"retry\": unknown; a job has id, "),
        ("\n{\"key\":\"k\"}", "jobs:2: field \"run\": missing"),
        (r#"{"run":"x"}"#, "jobs:1: field \"key\": missing"),
        (r#"{"key":7,"run":"x"}"#, "jobs:1: field \"key\": expected a string, found a number"),
        (r#"{"key":"k","run":null}"#, "field \"run\": expected a string or an array of strings"),
        (r#"{"key":"k","run":["a",1]}"#, "field \"run\": expected a string or an array of strings"),
        (r#"{"key":"k","run":[]}"#, "field \"run\": names no command"),
        (r#"{"key":"k","run":""}"#, "field \"run\": names no command"),
        (r#"{"key":"k","run":"a\u0000b"}"#, "field \"run\": holds a zero byte"),
        (r#"{"key":"k","run":"x","undo":{}}"#, "field \"undo\": expected a string or an array"),
        (
            r#"{"key":"k","run":"x","retries":-1}"#,
            "field \"retries\": expected a whole number from 0",
        ),
        (r#"{"key":"k","run":"x","retries":1.5}"#, "field \"retries\": expected a whole number"),
        (
            r#"{"key":"k","run":"x","retries":"1"}"#,
            "field \"retries\": expected a whole number, fo",
        ),
        (
            r#"{"key":"k","run":"x","timeout_ms":0}"#,
            "field \"timeout_ms\": expected a whole number",
        ),
        (r#"{"key":"k","run":"x","env":{"A":1}}"#, "field \"env\": expected an object of strings"),
        (r#"{"key":"k","run":"x","env":{"A=":"1"}}"#, "field \"env\": holds a name that is empty"),
        (r#"{"key":"k","run":"x","env":{"A":{}}}"#, "expected an object of strings, found an obj"),
        (
            r#"{"key":"k","run":"x","env":{"A":"1","B":"2","A":"3"}}"#,
            "field \"env\": holds a name twice",
        ),
        (r#"{"key":"k","run":"x","cwd":""}"#, "field \"cwd\": is empty"),
        (
            r#"{"key":"k","run":"x","on_fail":"stop"}"#,
            "field \"on_fail\": expected `continue`, `hold`",
        ),
        (r#"{"key":"k","run":"x","id":""}"#, "field \"id\": is empty"),
        (r#"{"key":"k","run":"x","id":"a\nb"}"#, "field \"id\": holds a control character"),
        (r#"{"key":"k","run":"x","key":"l"}"#, "field \"key\": stands here twice"),
        (r#"{"key":"k","run":"x"} 1"#, "jobs:1: column 23: not JSON: trailing characters"),
        (r#"{"key":"k","run":"x""#, "not JSON: EOF while parsing an object"),
        ("[1]", "jobs:1: not a JSON object"),
        ("7", "jobs:1: not a JSON object"),
    ];
    for (text, expected) in table {
        let refusal = refusal(text);
        assert!(refusal.contains(expected), "{text}\n  said {refusal}\n  not  {expected}");
    }
}

#[test]
fn an_id_is_used_once_given_or_by_line_number() {
    let text = "{\"key\":\"k\",\"run\":\"x\",\"id\":\"2\"}\n{\"key\":\"k\",\"run\":\"x\"}";
    assert_eq!(refusal(text), "jobs:2: field \"id\": \"2\" is the id of line 1 already");
}

#[test]
fn keys_and_ids_have_a_longest_length() {
    let key = "k".repeat(KEY_MAX);
    assert!(parse(&format!("{{\"key\":\"{key}\",\"run\":\"x\"}}")).is_ok());
    assert!(
        refusal(&format!("{{\"key\":\"{key}k\",\"run\":\"x\"}}")).contains("longer than 32767")
    );
    let id = "i".repeat(ID_MAX + 1);
    let line = format!("{{\"key\":\"k\",\"run\":\"x\",\"id\":\"{id}\"}}");
    assert!(refusal(&line).contains("field \"id\": longer than 512 bytes"));
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let error = read("jobs", &mut &b"{\"key\":\"\xff\",\"run\":\"x\"}"[..]).expect_err("not UTF-8");
    assert!(matches!(error.fault, Fault::Json { .. }), "{error}");
}
