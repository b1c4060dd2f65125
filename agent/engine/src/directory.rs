//! How the agent stands with the directory and the replica: whether the calls that carry its work succeed.

use muster_api::conditions::DirectoryReachable;

use crate::event::Problem;
use crate::failure::Failure;

/// Failures in a row after which people are told. One broken watch that is resumed at once is no news.
const NEWS: u32 = 2;

/// The fortune of one kind of call.
#[derive(Debug, Default)]
pub struct Health {
    failures: u32,
    last: Option<(Failure, String)>,
    ever: bool,
}

impl Health {
    /// A call succeeded. Returns whether the one before had failed.
    pub fn succeeded(&mut self) -> bool {
        let failed = self.failures > 0;
        *self = Self { ever: true, ..Self::default() };
        failed
    }

    /// A call failed.
    pub fn failed(&mut self, failure: Failure, message: String) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((failure, message));
    }

    /// What people are to be told. A refusal is news at once: it does not pass by itself.
    #[must_use]
    pub fn news(&self) -> Option<&(Failure, String)> {
        let last = self.last.as_ref()?;
        let refused = matches!(last.0, Failure::Unauthorized | Failure::Forbidden);
        (refused || self.failures >= NEWS).then_some(last)
    }

    /// Whether any call ever succeeded.
    #[must_use]
    pub fn ever(&self) -> bool {
        self.ever
    }
}

/// What a failure of reading the directory is called.
#[must_use]
pub fn reason(failure: Failure) -> DirectoryReachable {
    match failure {
        Failure::Unauthorized => DirectoryReachable::CredentialsRejected,
        Failure::Forbidden => DirectoryReachable::Forbidden,
        Failure::Unavailable
        | Failure::Absent
        | Failure::NotServed
        | Failure::Conflict
        | Failure::Invalid
        | Failure::TooLarge
        | Failure::Malformed
        | Failure::Fenced => DirectoryReachable::Unreachable,
    }
}

/// The worst of what is known of reading the directory.
#[must_use]
pub fn problem<'a>(reads: impl IntoIterator<Item = &'a Health>) -> Option<Problem<DirectoryReachable>> {
    let worst =
        reads.into_iter().filter_map(Health::news).max_by_key(|(failure, _)| reason(*failure) as u8)?;
    Some(Problem { reason: reason(worst.0), message: worst.1.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_no_news_and_a_refusal_is() {
        let mut health = Health::default();
        health.failed(Failure::Unavailable, "reset".into());
        assert_eq!(health.news(), None);
        health.failed(Failure::Unavailable, "reset".into());
        assert!(health.news().is_some());
        health.succeeded();
        assert_eq!(health.news(), None);
        health.failed(Failure::Unauthorized, "401".into());
        let problem = problem([&health, &Health::default()]).unwrap();
        assert_eq!(problem.reason, DirectoryReachable::CredentialsRejected);
    }
}
