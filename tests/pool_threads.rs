//! The threads of a pool: how many, where, and who is told (P6).

use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use laneway::pool::{Pool, PoolConfig, Shutdown, ThreadHook};

const LONG: Duration = Duration::from_secs(60);

/// The test that runs in a process of its own when this is set.
const ALONE: &str = "LANEWAY_TEST_ALONE";

#[test]
fn hooks_are_called_on_every_thread_spares_included() {
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let hook = |note: fn(&mut (Vec<usize>, Vec<usize>), usize)| -> Option<ThreadHook> {
        let seen = Arc::clone(&seen);
        Some(Arc::new(move |index| {
            let name = std::thread::current().name().map(str::to_owned);
            assert_eq!(name, Some(format!("laneway-{index}")));
            note(&mut seen.lock().expect("nobody panics inside"), index);
        }))
    };
    let config = PoolConfig {
        workers: 2,
        thread_start: hook(|seen, index| seen.0.push(index)),
        thread_exit: hook(|seen, index| seen.1.push(index)),
        ..PoolConfig::default()
    };
    let pool = Pool::with_config(config).expect("a pool");
    let (tell, told) = mpsc::channel();
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let (open, gate) = mpsc::channel::<()>();
            let (same, tell) = (pool.clone(), tell.clone());
            pool.spawn(move || {
                same.blocking(|| {
                    tell.send(()).expect("the test waits");
                    let _ = gate.recv();
                });
            });
            told.recv().expect("it blocks");
            open
        })
        .collect();
    assert_eq!(pool.submit(|| 7).wait().expect("a spare ran it"), 7);
    drop(blocked);
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    let (mut started, mut stopped) = seen.lock().expect("nobody panics inside").clone();
    started.sort_unstable();
    stopped.sort_unstable();
    assert_eq!(started, (0..report.joined).collect::<Vec<_>>());
    assert_eq!(stopped, started);
    assert!(report.joined >= 3);
}

#[test]
fn a_hook_that_panics_harms_nobody() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let config = PoolConfig {
        workers: 1,
        thread_start: Some(Arc::new(|_| panic!("at the start"))),
        thread_exit: Some(Arc::new(|_| panic!("at the end"))),
        panic_handler: Some(Arc::new(move |_| {
            tell.lock().expect("no panic inside").send(()).expect("the test waits");
        })),
        ..PoolConfig::default()
    };
    let pool = Pool::with_config(config).expect("a pool");
    assert_eq!(pool.submit(|| 7).wait().expect("it ran"), 7);
    let report = pool.shutdown(Shutdown::Drain, LONG).expect("not a worker");
    assert_eq!((report.joined, told.try_iter().count()), (1, 2));
}

/// Runs the test of that name in a process of its own, behind `launcher` if there is one.
fn alone(name: &str, launcher: &[&str]) {
    let program = std::env::current_exe().expect("a program has a path");
    let mut child = match launcher.split_first() {
        Some((first, rest)) => {
            let mut child = Command::new(first);
            child.args(rest).arg(program);
            child
        }
        None => Command::new(program),
    };
    child.args(["--exact", name, "--test-threads=1"]).env(ALONE, name);
    let output = child.output().expect("the launcher starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The processors that the calling thread may run on.
#[cfg(all(target_os = "linux", not(miri)))]
fn allowed() -> Vec<usize> {
    // SAFETY: a set of bits; all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes a set of that size.
    let said = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(said, 0);
    // SAFETY: in the range of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn the_default_number_of_workers_honours_the_affinity() {
    let name = "the_default_number_of_workers_honours_the_affinity";
    if std::env::var_os(ALONE).is_none() {
        let first = allowed()[0].to_string();
        return alone(name, &["taskset", "--cpu-list", &first]);
    }
    assert_eq!(allowed().len(), 1);
    assert_eq!(PoolConfig::default().workers, 1);
    assert_eq!(Pool::new().expect("a pool").workers(), 1);
}

/// A cgroup with a quota of one processor and a half, v2 or v1, if this process may make one.
#[cfg(all(target_os = "linux", not(miri)))]
fn cgroup_with_quota() -> Option<std::path::PathBuf> {
    let name = format!("laneway-test-{}", std::process::id());
    let quota = |root: &str, says_which: &str, settings: &[(&str, &str)]| {
        let root = std::path::Path::new(root);
        // A file of the hierarchy's own: not any folder of that name.
        if !root.join(says_which).exists() {
            return None;
        }
        let folder = root.join(&name);
        std::fs::create_dir(&folder).ok()?;
        let set = |(file, value): &(&str, &str)| {
            folder.join(file).exists() && std::fs::write(folder.join(file), value).is_ok()
        };
        if settings.iter().all(set) {
            return Some(folder);
        }
        std::fs::remove_dir(&folder).expect("nobody is in it");
        None
    };
    let v2 = [("cpu.max", "150000 100000")];
    let v1 = [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "150000")];
    quota("/sys/fs/cgroup", "cgroup.controllers", &v2)
        .or_else(|| quota("/sys/fs/cgroup/cpu", "cpu.shares", &v1))
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn the_default_number_of_workers_honours_the_cgroup_quota() {
    let name = "the_default_number_of_workers_honours_the_cgroup_quota";
    if std::env::var_os(ALONE).is_some() {
        assert_eq!(PoolConfig::default().workers, 1);
        return;
    }
    let Some(folder) = cgroup_with_quota() else {
        return println!("not tested: no cgroup with a CPU quota can be made here");
    };
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        println!("little is tested: one processor is all there is");
    }
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", folder.display());
    alone(name, &["sh", "-c", &enter, "sh"]);
    std::fs::remove_dir(folder).expect("nobody is left in it");
}

#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn pinned_workers_stay_on_one_processor_each() {
    let config = PoolConfig { workers: 2, pin: true, ..PoolConfig::default() };
    let pool = Pool::with_config(config).expect("a pool");
    let all = allowed();
    for _ in 0..10 {
        let same = pool.clone();
        let seen = pool.submit(move || (same.current_worker(), allowed()));
        let (worker, on) = seen.wait().expect("it ran");
        assert_eq!(on, [all[worker.expect("a worker") % all.len()]]);
    }
    assert_eq!(allowed(), all, "the caller is not pinned");
}
