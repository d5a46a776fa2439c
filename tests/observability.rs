//! Jobs in the spans of `tracing` and in the counters of the `metrics` facade.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use laneway::coordinator::{CoordinatorConfig, MetricsObserver, TestCoordinator};
use laneway::{Coordinator, Job, JobError, RetryPolicy};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, KeyName, Metadata, SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// What `tracing` knows of who listens is of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An event, and the names of the spans around it, the innermost first.
type Told = (String, Vec<&'static str>);

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<Told>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Record {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let spans = context.event_scope(event).into_iter().flatten();
        let spans = spans.map(|span| span.metadata().name()).collect();
        self.0.lock().expect("nobody panics with it").push((message.0, spans));
    }
}

impl Record {
    fn spans_of(&self, message: &str) -> Vec<Vec<&'static str>> {
        let record = self.0.lock().expect("nobody panics with it");
        let found = record.iter().filter(|(told, _)| told == message);
        found.map(|(_, spans)| spans.clone()).collect()
    }
}

#[test]
fn the_submitters_span_reaches_body_re_tries_undo_and_tokens() {
    let _alone = alone();
    let record = Record::default();
    tracing::subscriber::with_default(Registry::default().with(record.clone()), || {
        let test = Coordinator::for_test(1);
        let (give, tokens) = mpsc::channel();
        let job = Job::repeatable(move |ctx| {
            tracing::info!("in the body");
            give.send(ctx.defer()).expect("the test listens");
            Ok(())
        });
        let job = job.retry(RetryPolicy::constant(1, Duration::from_secs(1))).undo(|_| {
            tracing::info!("in the undo");
            Ok(())
        });
        let handle = tracing::info_span!("request").in_scope(|| test.submit("k", job));
        let handle = handle.expect("accepted");
        let plain = tracing::info_span!("other").in_scope(|| {
            test.submit_detached(
                "l",
                Job::once(|_| {
                    tracing::info!("in a plain body");
                    Ok(())
                }),
            )
        });
        plain.expect("accepted");
        for _ in 0..2 {
            test.advance(Duration::from_secs(1));
            tokens.try_recv().expect("the body has run").fail(JobError::new("no"));
        }
        assert!(!handle.wait().expect("ended").is_completed());
    });
    const IN_JOB: [&str; 2] = ["job", "request"];
    assert_eq!(record.spans_of("in the body"), [IN_JOB, IN_JOB]);
    assert_eq!(record.spans_of("in the undo"), [IN_JOB]);
    assert_eq!(record.spans_of("token failed: no"), [IN_JOB, IN_JOB]);
    assert_eq!(record.spans_of("k: submitted"), [["request"]]);
    assert_eq!(record.spans_of("k: attempt 2"), [IN_JOB]);
    assert_eq!(record.spans_of("k: rolled_back: no"), [IN_JOB]);
    assert_eq!(record.spans_of("in a plain body"), [["job", "other"]]);
}

#[test]
fn an_async_body_is_polled_in_its_span() {
    let _alone = alone();
    let record = Record::default();
    tracing::subscriber::with_default(Registry::default().with(record.clone()), || {
        let test = Coordinator::for_test(2);
        let job = Job::future(|ctx| async move {
            ctx.delay(Duration::from_secs(1)).await;
            tracing::info!("after the delay");
            Ok(())
        });
        let handle = tracing::info_span!("request").in_scope(|| test.submit("k", job));
        assert!(handle.expect("accepted").wait().expect("ended").is_completed());
    });
    assert_eq!(record.spans_of("after the delay"), [["job", "request"]]);
}

/// Counters and gauges by name and labels.
#[derive(Default)]
struct Recorder(Mutex<BTreeMap<String, Arc<Value>>>);

#[derive(Default)]
struct Value(AtomicU64);

impl CounterFn for Value {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

impl Recorder {
    fn value(&self, key: &metrics::Key) -> Arc<Value> {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{}{}", key.name(), labels.join(","));
        self.0.lock().expect("nobody panics with it").entry(name).or_default().clone()
    }

    fn of(&self, name: &str) -> u64 {
        let values = self.0.lock().expect("nobody panics with it");
        values.get(name).map_or(0, |value| value.0.load(Ordering::Relaxed))
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }
    fn register_gauge(&self, key: &metrics::Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }
    fn register_histogram(&self, _: &metrics::Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn events_and_counters_reach_the_metrics_facade() {
    let _alone = alone();
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let observer = Some(Arc::new(MetricsObserver) as _);
        let config = CoordinatorConfig { observer, ..Default::default() };
        let test = TestCoordinator::with_config(3, config);
        let fails = Job::repeatable(|_| Err::<(), _>(JobError::new("no")));
        let fails = fails.retry(RetryPolicy::constant(2, Duration::from_secs(1))).undo(|_| Ok(()));
        test.submit_detached("k", fails).expect("accepted");
        test.submit_detached("l", Job::once(|_| Ok(()))).expect("accepted");
        test.pause("m");
        test.submit_detached("m", Job::once(|_| Ok(()))).expect("accepted");
        test.advance(Duration::from_secs(2));
        MetricsObserver::report(&test);
    });
    let of = |name| recorder.of(name);
    assert_eq!(of("laneway_jobs_submitted_total"), 3);
    assert_eq!(of("laneway_attempts_started_total"), 4);
    assert_eq!(of("laneway_attempts_failed_total"), 3);
    assert_eq!(of("laneway_attempts_repeated_total"), 2);
    assert_eq!(of("laneway_rollbacks_started_total"), 1);
    assert_eq!(of("laneway_jobs_ended_totalrolled_back"), 1);
    assert_eq!(of("laneway_jobs_ended_totalcompleted"), 1);
    assert_eq!(of("laneway_jobs_queued"), 1);
    assert_eq!(of("laneway_lanes_open"), 1);
}
