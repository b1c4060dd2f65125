//! Which calls are made again, and when.

use std::time::Duration;

use http::Method;

use super::CallError;

/// How often a call is made again at most.
const RETRIES: u32 = 4;
/// The wait before the first of them; it doubles with each.
const FIRST: Duration = Duration::from_millis(200);

/// How long to wait until a call that failed is made again; `None` where it is not. `attempt` counts from 0.
///
/// What a server refused with 429 it did not do, so every call may be made again, once the time that it asks for is over.
/// Of any other failure it is not known whether a write was done, so reads alone are made again.
pub(super) fn wait(method: &Method, error: &CallError, attempt: u32) -> Option<Duration> {
    let own = (attempt < RETRIES).then(|| FIRST.saturating_mul(2_u32.saturating_pow(attempt)))?;
    match error {
        CallError::Busy { after, .. } => Some(after.map_or(own, |after| after.max(own))),
        CallError::Broken(_) | CallError::Cut(_) if *method == Method::GET => Some(own),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(seconds: Option<u64>) -> CallError {
        CallError::Busy { why: String::new(), after: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn what_was_not_done_is_made_again_and_what_may_have_been_only_where_it_reads() {
        let (broken, cut) = (CallError::Broken(String::new()), CallError::Cut(String::new()));
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
            assert_eq!(wait(&method, &busy(Some(3)), 0), Some(Duration::from_secs(3)));
            assert_eq!(wait(&method, &busy(None), 1), Some(FIRST * 2));
            for error in [&broken, &cut] {
                assert_eq!(wait(&method, error, 0).is_some(), method == Method::GET, "{method} {error:?}");
            }
            for error in [CallError::Unreachable(String::new()), CallError::NotFound, CallError::Unauthorized]
            {
                assert_eq!(wait(&method, &error, 0), None, "{error:?}");
            }
        }
    }

    #[test]
    fn a_server_that_stays_busy_is_left_after_a_few_attempts() {
        assert_eq!(wait(&Method::GET, &busy(Some(0)), RETRIES - 1), Some(FIRST * 8), "0 s are no brake");
        assert_eq!(wait(&Method::GET, &busy(Some(0)), RETRIES), None);
    }
}
