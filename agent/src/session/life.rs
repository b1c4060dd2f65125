//! The life of the credential in use: it is renewed in time, and what is left of it is told.

use std::time::Duration;

use jiff::Timestamp;
use muster_api::conditions::{CredentialsValid, DirectoryReachable};
use muster_engine::event::{Event, Problem};
use muster_engine::time::{backoff, salt};
use tokio::time::Instant;

use super::credential::Lifetime;
use super::refusal::{OfferError, WAIT_FOR_ANSWER, of_credential};
use super::renewal::Renewed;
use super::source::Material;
use super::{Open, Rejoined, Session};

/// How often the life of the credential is looked at.
const LOOK_AT_LIFE: Duration = Duration::from_secs(3600);

impl Session {
    fn kept(&self) -> Renewed<'_> {
        Renewed { client: &self.wiring.keeper, namespace: self.wiring.store.namespace() }
    }

    /// The renewed credential, if there is one.
    pub(super) async fn renewed(&self) -> Option<Material> {
        match self.kept().load().await {
            Ok(renewed) => renewed,
            Err(error) => {
                tracing::warn!(%error, "whether there is a renewed credential is not known");
                None
            }
        }
    }

    /// Tries what was renewed from what is offered, where there is such, and else that itself. `renewed`: what is kept.
    pub(super) async fn try_newest(
        &self,
        material: Material,
        renewed: Option<Material>,
    ) -> (Material, Result<Open, OfferError>) {
        if let Some(renewed) = renewed.filter(|renewed| renewed.input == material.input) {
            let outcome = self.try_material(&renewed).await;
            let unknown = |error: &OfferError| error.reason() == DirectoryReachable::Unreachable;
            if !outcome.as_ref().is_err_and(|error| !unknown(error)) {
                return (if outcome.is_ok() { renewed } else { material }, outcome);
            }
        }
        let outcome = self.try_material(&material).await;
        (material, outcome)
    }

    /// What worked before is tried beside what was offered since: its directory may be back.
    pub(super) async fn fall_back(&mut self) -> Result<(), Rejoined> {
        if self.working.is_none() && self.fallback.is_none() && !self.taken_back {
            self.fallback = self.renewed().await;
        }
        let Some(material) = self.fallback.take() else { return Ok(()) };
        match self.try_material(&material).await {
            Ok(open) => {
                let refused = self.refused.take();
                self.open(material, open).await?;
                self.refused = refused;
                self.tell_credential().await;
            }
            Err(error) => {
                tracing::debug!(%error, "the credential that worked before still does not");
                self.fallback = Some(material);
            }
        }
        Ok(())
    }

    /// What people gave works: what was renewed from something else is not wanted any more.
    pub(super) async fn discard(&self) {
        if let Err(error) = self.kept().discard().await {
            tracing::warn!(%error, "a credential that was renewed from an earlier one is kept still");
        }
    }

    /// Another number in each replica: in pods, each process has the same id.
    fn salt(&self) -> u64 {
        salt(&self.wiring.replica)
    }

    /// Works out when what is in use is renewed.
    pub(super) fn plan_renewal(&mut self) {
        let renewed = self.working.as_ref().filter(|_| !self.taken_back);
        let wait = renewed.and_then(|(_, open)| {
            let salt = self.salt();
            self.wiring.renewal.wait(&open.user, (&open.life, open.renewed.is_some()), Timestamp::now(), salt)
        });
        self.renew_at = wait.map(|wait| Instant::now() + wait);
        (self.renewals, self.unrenewed) = (0, None);
    }

    /// Renews what is in use: what is kept then is tried, and swapped in.
    pub(super) async fn renew(&mut self) -> Result<(), Rejoined> {
        let Some((material, open)) = &self.working else {
            self.renew_at = None;
            return Ok(());
        };
        let life = self.wiring.renewal.life;
        let renewed = self.kept().renew(&open.client, &open.user, material, life).await;
        let outcome = match renewed {
            Ok(renewed) => self.try_material(&renewed).await.map(|open| (renewed, open)).map_err(|error| {
                (error.told(self.wiring.store.namespace()), error.wait().unwrap_or(WAIT_FOR_ANSWER))
            }),
            Err(error) => Err((error.to_string(), error.wait())),
        };
        let result = if outcome.is_ok() { "ok" } else { "failed" };
        self.wiring.metrics.renewals.with_label_values(&[result]).inc();
        match outcome {
            Ok((renewed, open)) => {
                let (refused, fallback) = (self.refused.take(), self.fallback.take());
                self.open(renewed, open).await?;
                (self.refused, self.fallback) = (refused, fallback);
                self.tell_credential().await;
            }
            Err((why, (first, longest))) => {
                self.renewals = self.renewals.saturating_add(1);
                let wait = backoff(self.renewals, first, longest, self.salt());
                self.renew_at = Some(Instant::now() + wait);
                if self.unrenewed.as_ref() != Some(&why) {
                    tracing::warn!(why, "credential not renewed");
                }
                self.unrenewed = Some(why);
                self.tell_credential().await;
            }
        }
        Ok(())
    }

    pub(super) async fn tell_credential(&self) {
        let life = self.working.as_ref().map(|(_, open)| &open.life);
        let expires = life.and_then(|life| life.expires_at);
        let problem = match (&self.refused, life.map(|life| life.lifetime(self.now()))) {
            (Some(Problem { reason, message }), _) => Some((of_credential(*reason), message.clone())),
            (None, Some(Lifetime::ExpiresSoon)) => {
                Some((CredentialsValid::ExpiresSoon, self.ends("ends", expires)))
            }
            (None, Some(Lifetime::Expired)) => Some((CredentialsValid::Expired, self.ends("ended", expires))),
            (None, _) => None,
        };
        let problem = problem.map(|(reason, message)| Problem { reason, message });
        self.send(Event::Credential { problem, expires }).await;
    }

    pub(super) fn next_look(&self) -> Duration {
        let expires = self.working.as_ref().and_then(|(_, open)| open.life.expires_at);
        let left = expires.and_then(|end| Duration::try_from(end.duration_since(self.now())).ok());
        // Past the end there is nothing more to see.
        left.map_or(LOOK_AT_LIFE, |left| (left + Duration::from_secs(1)).min(LOOK_AT_LIFE))
    }

    /// What time it is in the directory, which judges the credential: this machine's clock may be wrong.
    fn now(&self) -> Timestamp {
        let ahead = self.working.as_ref().and_then(|(_, open)| open.client.clock_ahead());
        let now = Timestamp::now();
        ahead.and_then(|ahead| now.checked_sub(ahead).ok()).unwrap_or(now)
    }

    fn ends(&self, verb: &str, expires: Option<Timestamp>) -> String {
        let Some(expires) = expires else { return String::new() };
        let ends = format!("it {verb} at {}", muster_api::Time::from(expires));
        match &self.unrenewed {
            Some(why) => format!("{ends}, and was not renewed: {why}"),
            None => ends,
        }
    }
}
