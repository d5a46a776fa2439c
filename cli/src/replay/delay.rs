//! A delay that holds no worker: a future that the pool's timer completes.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use laneway::Pool;

/// What the timer and the future share.
enum Bell {
    Silent(Option<Waker>),
    Rung,
}

/// Completes when `time` has passed.
pub(crate) async fn delay(pool: &Pool, time: Duration) {
    if time.is_zero() {
        return;
    }
    let bell = Arc::new(Mutex::new(Bell::Silent(None)));
    let ringer = bell.clone();
    let timer = pool.schedule_after(time, move || ring(&ringer));
    poll_fn(|context| match &mut *bell.lock().unwrap_or_else(PoisonError::into_inner) {
        Bell::Rung => Poll::Ready(()),
        Bell::Silent(waker) => {
            *waker = Some(context.waker().clone());
            Poll::Pending
        }
    })
    .await;
    drop(timer);
}

fn ring(bell: &Mutex<Bell>) {
    let was =
        std::mem::replace(&mut *bell.lock().unwrap_or_else(PoisonError::into_inner), Bell::Rung);
    // Outside the lock: a waker may run anything.
    if let Bell::Silent(Some(waker)) = was {
        waker.wake();
    }
}
