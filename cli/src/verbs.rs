//! What each verb does.

mod approve;
mod check;
mod completion;
mod files;
mod join;
mod rebind;
mod release;
mod replica;
mod revoke;
mod status;
mod token;
mod tokens;
mod tree;
mod unregister;

use muster_api::resource::GROUP;
use serde_json::Value;

use crate::api::Api;
use crate::args::{Args, Output, Verb, Writing};
use crate::failure::Failure;
use crate::output::{print, yaml};
use crate::verbs::approve::Answer;
use crate::verbs::replica::Word;

/// Does what the command line asks for, or says how `kubectl` does it.
///
/// # Errors
/// What failed, why, and what to do next.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Args { target, explain, verb } = args;
    if explain {
        let kubectl = target.kubectl();
        return print(&match &verb {
            Verb::Join(flags) => join::explain(&kubectl, flags),
            Verb::Token(flags) => token::explain(&kubectl, flags),
            Verb::Approve(flags) => approve::explain(&kubectl, flags, Answer::Approve),
            Verb::Deny(flags) => approve::explain(&kubectl, flags, Answer::Deny),
            Verb::Tokens => tokens::explain(&kubectl),
            Verb::Revoke(flags) => revoke::explain(&kubectl, flags),
            Verb::Status(flags) => status::explain(&kubectl, flags),
            Verb::Tree(flags) => tree::explain(&kubectl, flags),
            Verb::Unregister(flags) => unregister::explain(&kubectl, flags),
            Verb::Rebind(flags) => rebind::explain(&kubectl, flags),
            Verb::Release(flags) => release::explain(&kubectl, flags),
            Verb::Lint(flags) => files::explain_lint(flags),
            Verb::Apply(flags) => files::explain_apply(&kubectl, flags),
            Verb::Check(flags) => check::explain(&kubectl, flags),
            Verb::Pause(flags) => replica::explain(&kubectl, flags, Some(Word::Pause)),
            Verb::Resume(flags) => replica::explain(&kubectl, flags, Some(Word::Resume)),
            Verb::Leave(flags) => replica::explain(&kubectl, flags, Some(Word::Leave)),
            Verb::Repin(flags) => replica::explain(&kubectl, flags, None),
            Verb::Completion { .. } => "kubectl completion --help\n".to_owned(),
        });
    }
    match verb {
        Verb::Join(flags) => join::run(&target, &flags).await,
        Verb::Token(flags) => token::run(&target, &flags).await,
        Verb::Approve(flags) => approve::run(&target, &flags, Answer::Approve).await,
        Verb::Deny(flags) => approve::run(&target, &flags, Answer::Deny).await,
        Verb::Tokens => tokens::run(&target).await,
        Verb::Revoke(flags) => revoke::run(&target, &flags).await,
        Verb::Status(flags) => status::run(&target, &flags).await,
        Verb::Tree(flags) => tree::run(&target, &flags).await,
        Verb::Unregister(flags) => unregister::run(&target, &flags).await,
        Verb::Rebind(flags) => rebind::run(&target, &flags).await,
        Verb::Release(flags) => release::run(&target, &flags).await,
        Verb::Lint(flags) => files::lint(&flags),
        Verb::Apply(flags) => files::apply(&target, &flags).await,
        Verb::Check(flags) => check::run(&target, &flags).await,
        Verb::Pause(flags) => replica::say(&target, &flags, Word::Pause).await,
        Verb::Resume(flags) => replica::say(&target, &flags, Word::Resume).await,
        Verb::Leave(flags) => replica::say(&target, &flags, Word::Leave).await,
        Verb::Repin(flags) => replica::repin(&target, &flags).await,
        Verb::Completion { shell } => completion::run(shell),
    }
}

/// The API groups beside Muster's that serve a kind whose plural is `clusters`. None where that cannot be told.
async fn namesakes(api: &Api) -> Vec<String> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let Ok(found) = api.raw("/apis", accept).await else { return Vec::new() };
    let groups = found.get("items").and_then(Value::as_array).into_iter().flatten();
    let name = |group: &Value| group.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let serves = |group: &&Value| {
        let versions = group.get("versions").and_then(Value::as_array).into_iter().flatten();
        let mut resources = versions.filter_map(|version| version.get("resources")?.as_array()).flatten();
        resources.any(|resource| resource["resource"] == "clusters")
    };
    groups.filter(serves).filter_map(name).filter(|group| group != GROUP).collect()
}

/// Prints an object that was written, where that is asked for.
///
/// # Errors
/// Where stdout cannot be written.
fn written(writing: Writing, object: &Value) -> Result<(), Failure> {
    match writing.output {
        Some(Output::Yaml) => print(&yaml(object)),
        None => Ok(()),
    }
}
