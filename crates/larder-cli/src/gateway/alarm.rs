//! A connection's timer. hyper sets a new one for every request and drops it when the request has come; here these are all one,
//! which is set anew only when it goes off too early: on a busy connection once in the time that it is set to.

use hyper::rt::{Sleep, Timer};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::time;

/// For one connection, which waits for one thing at a time.
#[derive(Default)]
pub(super) struct Alarm(Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>);

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { deadline: deadline.into(), alarm: Arc::clone(&self.0) })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

struct Wait {
    deadline: time::Instant,
    alarm: Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(time::sleep_until(self.deadline)));
        if alarm.deadline() > self.deadline {
            alarm.as_mut().reset(self.deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if alarm.deadline() == self.deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, pause, timeout};

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn the_last_wait_counts_whatever_was_waited_for_before() {
        pause();
        let alarm = Alarm::default();
        for (given_up, wait) in [(10, 10), (10, 100), (100, 10), (10, 0)] {
            let dropped = alarm.sleep(after(given_up));
            assert!(timeout(after(3), dropped).await.is_err());
            let begun = alarm.now();
            alarm.sleep(after(wait)).await;
            let waited = alarm.now() - begun;
            assert!(waited >= after(wait) && waited < after(wait + 1), "{given_up} {wait}: {waited:?}");
        }
    }

    #[tokio::test]
    async fn one_that_went_off_while_nobody_waited_is_set_anew() {
        pause();
        let alarm = Alarm::default();
        assert!(timeout(after(1), alarm.sleep(after(10))).await.is_err());
        advance(after(60)).await;
        let begun = alarm.now();
        alarm.sleep(after(10)).await;
        assert!(alarm.now() - begun >= after(10));
    }
}
