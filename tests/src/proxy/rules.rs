//! Which requests are tampered with, and how.

use std::{sync::Arc, time::Duration};

use http::{Method, Response, request::Parts};
use hyper::body::Bytes;

type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;
type Rewrite = Arc<dyn Fn(&Parts, Bytes) -> Bytes + Send + Sync>;
type Answer = Arc<dyn Fn(&Parts) -> Response<Bytes> + Send + Sync>;
pub(super) type Change = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;
type Choice = Arc<dyn Fn(&Parts) -> Action + Send + Sync>;

/// What happens to a request.
#[derive(Clone)]
pub enum Action {
    /// It goes through.
    Forward,
    /// It is answered with this status, these headers and this body, and does not reach the server.
    Status(u16, Vec<(&'static str, String)>, String),
    /// It does not reach the server, and the stream is reset.
    DropRequest,
    /// The server carries it out, and the answer is lost: the stream is reset.
    DropReply,
    /// The stream is reset after so many bytes of the body.
    Truncate(usize),
    /// It goes through after a while.
    Delay(Duration),
    /// The server carries it out at once, and its answer comes after a while.
    DelayReply(Duration),
    /// It does not reach the server, and no answer ever comes.
    Hold,
    /// The answer's header comes, and nothing of its body: a watch that is open and silent.
    Mute,
    /// The body of the answer comes at so many bytes a second, as long as the rule is there.
    Slow(Arc<usize>),
    /// Each line of the answer is replaced by others, or by none: the events of a watch.
    Lines(Change),
    /// The whole answer is read, and its body replaced. Not for watches.
    Rewrite(Rewrite),
    /// One text in the path, the query and the body is another one for the server, and back in the answer. Not for watches.
    Rename(String, String),
    /// It is answered by a function, and does not reach the server.
    Answer(Answer),
    /// What a function says, request by request.
    Choose(Choice),
}

impl Action {
    /// [`Action::Rewrite`].
    pub fn rewrite(f: impl Fn(&Parts, Bytes) -> Bytes + Send + Sync + 'static) -> Self {
        Self::Rewrite(Arc::new(f))
    }

    /// [`Action::Slow`].
    #[must_use]
    pub fn slow(rate: usize) -> Self {
        Self::Slow(Arc::new(rate))
    }

    /// [`Action::Lines`].
    pub fn lines(f: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self::Lines(Arc::new(f))
    }

    /// [`Action::Answer`].
    pub fn answer(f: impl Fn(&Parts) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self::Answer(Arc::new(f))
    }

    /// [`Action::Choose`].
    pub fn choose(f: impl Fn(&Parts) -> Self + Send + Sync + 'static) -> Self {
        Self::Choose(Arc::new(f))
    }

    /// An error as the API server sends it: a `Status` object with this code and reason.
    #[must_use]
    pub fn failure(code: u16, reason: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("{reason} by the proxy"), "reason": reason, "code": code,
        });
        Self::Status(code, vec![("content-type", "application/json".to_owned())], body.to_string())
    }
}

/// Matches requests, and says what happens to them.
#[derive(Clone)]
pub struct Rule {
    method: Option<Method>,
    path: String,
    predicates: Vec<Predicate>,
    skip: usize,
    times: usize,
    action: Action,
}

impl Rule {
    /// A rule for all requests whose path begins with `path`; empty for all.
    #[must_use]
    pub fn on(path: &str, action: Action) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            predicates: Vec::new(),
            skip: 0,
            times: usize::MAX,
            action,
        }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests whose query contains this text, as it is on the wire.
    #[must_use]
    pub fn query(self, text: &str) -> Self {
        let text = text.to_owned();
        self.when(move |parts| parts.uri.query().unwrap_or_default().contains(&text))
    }

    /// Only watches.
    #[must_use]
    pub fn watches(self) -> Self {
        self.when(|parts| is_watch(parts.uri.query().unwrap_or_default()))
    }

    /// Only GET that is no watch: lists, and reads of one object.
    #[must_use]
    pub fn reads(self) -> Self {
        self.method(Method::GET).when(|parts| !is_watch(parts.uri.query().unwrap_or_default()))
    }

    /// Only requests for which this holds.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(predicate));
        self
    }

    /// Lets the first `n` matching requests through.
    #[must_use]
    pub fn skip(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }

    /// Acts on `n` requests, then no more.
    #[must_use]
    pub fn times(mut self, n: usize) -> Self {
        self.times = n;
        self
    }

    fn matches(&self, parts: &Parts) -> bool {
        self.method.as_ref().is_none_or(|method| *method == parts.method)
            && parts.uri.path().starts_with(&self.path)
            && self.predicates.iter().all(|holds| holds(parts))
    }
}

/// Names a rule of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

/// The rules of a proxy, and how often each has matched.
#[derive(Default)]
pub(super) struct Rules {
    next: usize,
    rules: Vec<Counted>,
}

struct Counted {
    id: RuleId,
    rule: Rule,
    matched: usize,
    hits: usize,
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.rules.push(Counted { id, rule, matched: 0, hits: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.rules.retain(|counted| counted.id != id);
    }

    pub(super) fn hits(&self, id: RuleId) -> usize {
        self.rules.iter().find(|counted| counted.id == id).map_or(0, |counted| counted.hits)
    }

    /// What happens to this request. Rules that it uses up are counted.
    pub(super) fn decide(&mut self, parts: &Parts) -> Action {
        for counted in self.rules.iter_mut().rev() {
            if !counted.rule.matches(parts) {
                continue;
            }
            counted.matched += 1;
            if counted.matched > counted.rule.skip && counted.hits < counted.rule.times {
                counted.hits += 1;
                let mut action = counted.rule.action.clone();
                while let Action::Choose(choose) = action {
                    action = choose(parts);
                }
                return action;
            }
        }
        Action::Forward
    }
}

pub(super) fn is_watch(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: Method, uri: &str) -> Parts {
        http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    fn status(action: &Action) -> u16 {
        match action {
            Action::Status(code, ..) => *code,
            Action::Forward => 0,
            _ => panic!("no such action here"),
        }
    }

    fn code(code: u16) -> Action {
        Action::Status(code, Vec::new(), String::new())
    }

    #[test]
    fn the_rule_added_last_decides_and_the_rest_goes_through() {
        let mut rules = Rules::default();
        rules.add(Rule::on("/api/", code(1)));
        let second = rules.add(Rule::on("/api/v1/secrets", code(2)).method(Method::GET));
        let mut decide = |method, uri| status(&rules.decide(&parts(method, uri)));
        assert_eq!(decide(Method::GET, "/api/v1/secrets/a"), 2);
        assert_eq!(decide(Method::PUT, "/api/v1/secrets/a"), 1);
        assert_eq!(decide(Method::GET, "/apis/x"), 0);
        assert_eq!(rules.hits(second), 1);
        rules.remove(second);
        assert_eq!(status(&rules.decide(&parts(Method::GET, "/api/v1/secrets/a"))), 1);
    }

    #[test]
    fn skip_and_times_pick_the_nth_request() {
        let mut rules = Rules::default();
        rules.add(Rule::on("/", code(9)).skip(1).times(2));
        let decided: Vec<u16> = (0..5).map(|_| status(&rules.decide(&parts(Method::GET, "/x")))).collect();
        assert_eq!(decided, [0, 9, 9, 0, 0]);
    }

    #[test]
    fn a_function_may_choose_anew_for_each_request() {
        let mut rules = Rules::default();
        let choose = |parts: &Parts| if parts.uri.path() == "/a" { code(7) } else { Action::Forward };
        rules.add(Rule::on("/", Action::choose(choose)));
        let decided = ["/a", "/b", "/a"].map(|uri| status(&rules.decide(&parts(Method::GET, uri))));
        assert_eq!(decided, [7, 0, 7]);
    }

    #[test]
    fn watches_and_reads_are_told_apart_by_the_query() {
        let mut rules = Rules::default();
        rules.add(Rule::on("/", code(1)).watches());
        rules.add(Rule::on("/", code(2)).reads());
        rules.add(Rule::on("/", code(3)).query("limit=5"));
        let mut decide = |uri| status(&rules.decide(&parts(Method::GET, uri)));
        assert_eq!(decide("/x?allowWatchBookmarks=true&watch=true"), 1);
        assert_eq!(decide("/x?allowWatchBookmarks=true"), 2);
        assert_eq!(decide("/x?limit=50"), 3);
    }
}
