//! What the keeper promises, against real processes: its ends, and every death around it.
//!
//! The commands say through named pipes that they have come to a point: opening one to read waits
//! for the writer, so nothing here sleeps or polls.

#![allow(missing_docs)]

#[path = "../src/keeper/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use the runner's side")]
mod keeper;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keeper::{End, Found, KeeperError, Order, Watch, probe, spawn};
use rustix::process::{Signal, pidfd_send_signal};

/// A fresh directory for one test, and the commands that run in it.
struct Bench {
    root: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keeper").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    fn attempt(&self) -> PathBuf {
        self.root.join("attempt")
    }

    fn order(&self, script: &str) -> Order {
        self.order_argv(&["sh", "-c", script])
    }

    fn order_argv(&self, argv: &[&str]) -> Order {
        let output = File::create(self.root.join("output")).unwrap();
        let argv = argv.iter().map(OsString::from).collect();
        let mut order = Order::new(argv, output.try_clone().unwrap(), output);
        order.program = PathBuf::from(env!("CARGO_BIN_EXE_laneway"));
        order.cwd = Some(self.root.clone());
        order
    }

    fn spawn(&self, script: &str) -> Watch {
        self.spawn_again(|| self.order(script))
    }

    /// Spawns where a keeper was before. Processes that other tests are just starting hold copies of
    /// its lock until their exec: then it is asked for again, as the page of `keeper` says.
    fn spawn_again(&self, order: impl Fn() -> Order) -> Watch {
        loop {
            match spawn(&self.attempt(), order()) {
                Err(KeeperError::Busy) => drop(probe(&self.attempt()).unwrap()),
                spawned => return spawned.unwrap(),
            }
        }
    }

    fn run(&self, order: Order) -> Option<End> {
        let watch = self.spawn_again(|| Order {
            program: order.program.clone(),
            argv: order.argv.clone(),
            env: order.env.clone(),
            cwd: order.cwd.clone(),
            stdout: order.stdout.try_clone().unwrap(),
            stderr: order.stderr.try_clone().unwrap(),
            ..order
        });
        outcome(&self.attempt(), watch).unwrap()
    }

    fn output(&self) -> String {
        fs::read_to_string(self.root.join("output")).unwrap()
    }

    fn pipe(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.root.join(name)).status().unwrap();
        assert!(made.success());
    }

    /// Waits until a command opens the pipe to write, and answers with what it wrote.
    fn hear(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }

    /// Waits until every process that holds the pipe open to write is gone.
    fn until_closed(mut pipe: File) {
        assert_eq!(pipe.read(&mut [0; 16]).unwrap(), 0, "end of file, not words");
    }
}

/// Waits for the end of the attempt in `dir`; `None`: it is gone without one.
fn outcome(dir: &Path, mut watch: Watch) -> Result<Option<End>, KeeperError> {
    loop {
        watch.wait(None).map_err(KeeperError::Process)?;
        match probe(dir)? {
            Found::Recorded(end) => return Ok(Some(end)),
            Found::Gone => return Ok(None),
            Found::Alive(next) => watch = next,
        }
    }
}

fn kill(watch: &Watch, signal: Signal) {
    pidfd_send_signal(watch.pidfd().expect("known"), signal).unwrap();
}

fn assert_gone(dir: &Path) {
    let found = probe(dir).unwrap();
    assert!(matches!(found, Found::Gone), "{found:?}");
}

#[test]
fn an_exit_code_is_recorded() {
    let bench = Bench::new("exit");
    assert_eq!(bench.run(bench.order("echo out; echo err >&2; exit 7")), Some(End::Exited(7)));
    assert_eq!(bench.output(), "out\nerr\n");
}

#[test]
fn a_signal_is_recorded() {
    let bench = Bench::new("signal");
    assert_eq!(bench.run(bench.order("kill -KILL $$")), Some(End::Signalled(9)));
}

#[test]
fn a_command_that_is_not_there_has_not_started() {
    let bench = Bench::new("absent");
    let order = bench.order_argv(&["./no-such-command"]);
    assert_eq!(bench.run(order), Some(End::NotStarted(2)));
}

#[test]
fn an_exit_code_like_a_shells_is_no_failure_to_start() {
    let bench = Bench::new("exit-127");
    assert_eq!(bench.run(bench.order("exit 127")), Some(End::Exited(127)));
}

#[test]
fn environment_and_directory_reach_the_command() {
    let bench = Bench::new("environment");
    let mut order = bench.order("echo \"$WORD\"; pwd -P");
    order.env.push(("WORD".into(), "a b".into()));
    assert_eq!(bench.run(order), Some(End::Exited(0)));
    let here = bench.root.canonicalize().unwrap();
    assert_eq!(bench.output(), format!("a b\n{}\n", here.display()));
}

#[test]
fn the_command_inherits_no_descriptor() {
    let bench = Bench::new("descriptors");
    let script = "for fd in /proc/self/fd/*; do readlink $fd; done; true";
    assert_eq!(bench.run(bench.order(script)), Some(End::Exited(0)));
    let output = bench.output();
    assert!(!output.contains("lock"), "{output}");
    assert!(!output.contains("attempt"), "{output}");
    assert!(output.starts_with("/dev/null\n"), "{output}");
}

#[test]
fn a_recorded_end_is_never_repeated() {
    let bench = Bench::new("repeat");
    assert_eq!(bench.run(bench.order("echo once")), Some(End::Exited(0)));
    let again = spawn(&bench.attempt(), bench.order("echo twice"));
    assert!(matches!(again, Err(KeeperError::Recorded(End::Exited(0)))), "{again:?}");
    let found = probe(&bench.attempt()).unwrap();
    assert!(matches!(found, Found::Recorded(End::Exited(0))), "{found:?}");
}

#[test]
fn an_attempt_that_was_never_made_is_gone() {
    let bench = Bench::new("never");
    assert_gone(&bench.attempt());
}

#[test]
fn a_second_runner_finds_it_alive_and_gets_its_end() {
    let bench = Bench::new("second");
    bench.pipe("go");
    let first = bench.spawn(" read word < go; exit 4");
    drop(first); // as a runner does that is killed
    let busy = spawn(&bench.attempt(), bench.order("exit 5"));
    assert!(matches!(busy, Err(KeeperError::Busy)), "{busy:?}");
    let Found::Alive(mut watch) = probe(&bench.attempt()).unwrap() else {
        panic!("its keeper lives");
    };
    assert!(!watch.wait(Some(Duration::ZERO)).unwrap());
    fs::write(bench.root.join("go"), "go\n").unwrap();
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::Exited(4)));
}

/// Not a test by itself: the runner that the next one starts and kills.
#[test]
fn a_runner_to_be_killed() {
    let Some(root) = std::env::var_os("LANEWAY_TEST_RUNNER") else { return };
    let bench = Bench { root: PathBuf::from(root) };
    let _watch = bench.spawn("echo started > up; read word < go; echo $PPID; exit 6");
    let mut end = [0; 1];
    let _ = std::io::stdin().read(&mut end); // until it is killed
}

#[test]
fn the_end_of_a_killed_runner_s_command_is_recorded() {
    let bench = Bench::new("runner-killed");
    bench.pipe("up");
    bench.pipe("go");
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_runner_to_be_killed"])
        .env("LANEWAY_TEST_RUNNER", &bench.root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(bench.hear("up"), "started\n");
    runner.kill().unwrap();
    runner.wait().unwrap();
    let Found::Alive(watch) = probe(&bench.attempt()).unwrap() else {
        panic!("its keeper lives");
    };
    fs::write(bench.root.join("go"), "go\n").unwrap();
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::Exited(6)));
}

#[test]
fn what_the_command_leaves_behind_is_gone_before_its_end_is_recorded() {
    let bench = Bench::new("left-behind");
    bench.pipe("held");
    let watch = bench.spawn("exec 3> held; set -m; sleep 600 & exit 0");
    let held = File::open(bench.root.join("held")).unwrap();
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::Exited(0)));
    Bench::until_closed(held);
}

#[test]
fn a_timeout_ends_the_whole_session() {
    let bench = Bench::new("timeout");
    bench.pipe("held");
    let mut order = bench.order("trap '' TERM; exec 3> held; timeout 600 sleep 600; sleep 600");
    order.timeout = Some(Duration::from_millis(300));
    order.grace = Duration::from_millis(50);
    let watch = spawn(&bench.attempt(), order).unwrap();
    let held = File::open(bench.root.join("held")).unwrap();
    drop(watch); // the keeper needs no runner for it
    Bench::until_closed(held);
    let Found::Alive(watch) = probe(&bench.attempt()).unwrap() else {
        let found = probe(&bench.attempt()).unwrap();
        assert!(matches!(found, Found::Recorded(End::TimedOut)), "{found:?}");
        return;
    };
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::TimedOut));
}

#[test]
fn a_command_that_heeds_the_request_to_stop_is_stopped() {
    let bench = Bench::new("stop");
    bench.pipe("up");
    let watch =
        bench.spawn("trap 'echo bye; exit 0' TERM; echo started > up; while :; do sleep 1; done");
    assert_eq!(bench.hear("up"), "started\n");
    watch.stop().unwrap();
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::Stopped));
}

#[test]
fn a_second_request_to_stop_waits_for_no_grace() {
    let bench = Bench::new("stop-twice");
    bench.pipe("up");
    bench.pipe("heard");
    let mut order =
        bench.order("trap 'echo heard > heard' TERM; echo up > up; while :; do sleep 1; done");
    order.grace = Duration::from_secs(3600);
    let watch = spawn(&bench.attempt(), order).unwrap();
    assert_eq!(bench.hear("up"), "up\n");
    watch.stop().unwrap();
    assert_eq!(bench.hear("heard"), "heard\n");
    watch.stop().unwrap();
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), Some(End::Stopped));
}

#[test]
fn a_killed_keeper_takes_its_command_along_and_probe_the_rest() {
    let bench = Bench::new("keeper-killed");
    bench.pipe("held");
    bench.pipe("up");
    let script = "exec 3> held; set -m; sleep 600 & echo started > up; wait";
    let watch = bench.spawn(script);
    let held = File::open(bench.root.join("held")).unwrap();
    assert_eq!(bench.hear("up"), "started\n");
    kill(&watch, Signal::KILL);
    assert_eq!(outcome(&bench.attempt(), watch).unwrap(), None);
    Bench::until_closed(held);
    // The attempt can be made again in the same place.
    assert_eq!(bench.run(bench.order("exit 0")), Some(End::Exited(0)));
}

/// The processes that have this entry in their environment.
fn marked(entry: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap() {
        let process = process.unwrap().path();
        let environ = fs::read(process.join("environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|it| it == entry.as_bytes()) {
            found.push(fs::read_to_string(process.join("stat")).unwrap_or_default());
        }
    }
    found
}

#[test]
fn a_keeper_killed_at_any_moment_leaves_nothing_running() {
    let bench = Bench::new("any-moment");
    for round in 0..100 {
        let mut watch = bench.spawn_again(|| {
            let mut order = bench.order("set -m; sleep 600 & sleep 600");
            order.env.push(("ROUND".into(), round.to_string().into()));
            order
        });
        assert!(!watch.wait(Some(Duration::from_micros(round * 200))).unwrap());
        kill(&watch, Signal::KILL);
        assert_eq!(outcome(&bench.attempt(), watch).unwrap(), None);
        let left = marked(&format!("ROUND={round}"));
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

#[test]
fn a_command_that_kills_its_keeper_is_gone() {
    let bench = Bench::new("patricide");
    assert_eq!(bench.run(bench.order("kill -KILL $PPID; sleep 600")), None);
}

/// A session of strangers, as a number that came back would make it.
struct Strangers(Child);

impl Strangers {
    fn new() -> Self {
        let mut setsid = Command::new("setsid");
        setsid.args(["sh", "-c", "echo up; exec sleep 600"]).stdout(Stdio::piped());
        let mut child = setsid.spawn().unwrap();
        let mut word = [0; 3];
        child.stdout.as_mut().expect("piped").read_exact(&mut word).unwrap();
        Self(child)
    }

    fn live(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn forge_running(bench: &Bench, boot: &str, pid: u32) {
    fs::create_dir(bench.attempt()).unwrap();
    File::create(bench.attempt().join("lock")).unwrap();
    let line = format!("{boot} {pid}.1 {pid}.1\n");
    fs::write(bench.attempt().join("running"), line).unwrap();
}

#[test]
fn strangers_with_the_session_number_of_a_dead_keeper_are_left_alone() {
    let bench = Bench::new("strangers");
    let mut strangers = Strangers::new();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    forge_running(&bench, boot.trim_end(), strangers.0.id());
    assert_gone(&bench.attempt());
    assert!(strangers.live());
}

#[test]
fn after_a_reboot_nothing_is_looked_for() {
    let bench = Bench::new("reboot");
    let mut strangers = Strangers::new();
    forge_running(&bench, "00000000-0000-0000-0000-000000000000", strangers.0.id());
    assert_gone(&bench.attempt());
    assert!(strangers.live());
}

#[test]
fn a_record_that_was_cut_is_as_good_as_none() {
    let bench = Bench::new("cut");
    forge_running(&bench, "", 1);
    fs::write(bench.attempt().join("running"), "").unwrap();
    assert_gone(&bench.attempt());
}

#[test]
fn a_status_that_is_none_is_refused() {
    let bench = Bench::new("garbled");
    forge_running(&bench, "", 1);
    fs::write(bench.attempt().join("status"), "completed\n").unwrap();
    let refused = probe(&bench.attempt());
    assert!(matches!(refused, Err(KeeperError::Garbled(_))), "{refused:?}");
}

#[test]
fn a_keeper_started_by_hand_refuses() {
    let bench = Bench::new("by-hand");
    fs::create_dir(bench.attempt()).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_laneway"))
        .arg("keeper")
        .arg(bench.attempt())
        .args(["--", "touch", "ran"])
        .current_dir(&bench.root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(!bench.root.join("ran").exists());
}
