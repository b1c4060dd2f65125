//! Waiting for a condition, with a deadline, instead of sleeping.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// The shortest deadline that a test may use: a slow machine is no failure.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// What was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("expected {what} within {deadline:?}; last seen: {seen}")]
pub struct Late {
    /// What was expected.
    pub what: String,
    /// How long it was waited for.
    pub deadline: Duration,
    /// Why it had not come at the last look.
    pub seen: String,
}

/// Looks every 50 ms until `look` gives a value; an error of `look` says what is there instead.
///
/// # Errors
///
/// [`Late`] after `deadline`; the condition is looked at once more then, so that a stalled machine does not count.
pub fn eventually<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Result<T, E>,
) -> Result<T, Late> {
    let started = Instant::now();
    loop {
        let last = started.elapsed() >= deadline;
        match look() {
            Ok(value) => return Ok(value),
            Err(why) if last => {
                return Err(Late { what: what.to_owned(), deadline, seen: why.to_string() });
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// Waits as [`eventually`] does, prints what came after how long, and gives that time with the value.
///
/// # Errors
///
/// [`Late`].
pub fn timed<T, E: Display>(
    what: &str,
    deadline: Duration,
    look: impl FnMut() -> Result<T, E>,
) -> Result<(T, Duration), Late> {
    let started = Instant::now();
    let value = eventually(what, deadline, look)?;
    let elapsed = started.elapsed();
    saw(what, elapsed);
    Ok((value, elapsed))
}

/// Prints what a test saw, and when.
pub fn saw(what: &str, elapsed: Duration) {
    println!("saw {what} after {} ms", elapsed.as_millis());
}

/// Checks that a condition keeps holding for `span`; for "nothing happens" where there is no event to wait for.
///
/// # Errors
///
/// [`Late`] with what was seen instead.
pub fn throughout<E: Display>(
    what: &str,
    span: Duration,
    mut look: impl FnMut() -> Result<(), E>,
) -> Result<(), Late> {
    let started = Instant::now();
    loop {
        if let Err(why) = look() {
            return Err(Late { what: what.to_owned(), deadline: started.elapsed(), seen: why.to_string() });
        }
        if started.elapsed() >= span {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_comes_when_the_condition_holds() {
        let mut looks = 0;
        let value = eventually("three looks", DEADLINE, || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_late_condition_names_what_was_expected_and_last_seen() {
        let late = eventually("the moon", Duration::ZERO, || Err::<(), _>("the sun")).unwrap_err();
        assert_eq!(late.to_string(), "expected the moon within 0ns; last seen: the sun");
    }

    #[test]
    fn a_condition_that_breaks_ends_the_watch() {
        let mut looks = 0;
        let broken = throughout("quiet", DEADLINE, || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err("noise") }
        });
        assert!(broken.unwrap_err().to_string().ends_with("last seen: noise"));
    }
}
